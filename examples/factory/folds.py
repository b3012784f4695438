"""Forecasts of groups that a fit left out, and how much wider their interval has to be for further groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.package import around
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.package import IntervalSpec
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.learning import answers_of, as_target, learn
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan, resolve
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import Job
from edgewright.workflows.intervals import band_of

Array = NDArray[np.float64]
# Parts of the groups that calibrate, each measured by a band of the others; a width of nothing.
_PARTS, _NARROW = 5, 1e-9


def widened(band: IntervalSpec, factor: float) -> IntervalSpec:
    """Return a band whose ends are so many times as far from its middle."""
    low, high = np.array(band.low), np.array(band.high)
    middle, half = (low + high) / 2, (high - low) / 2 * factor
    ends = [tuple(np.asarray(values, np.float32).tolist()) for values in (middle - half, middle + half)]
    return msgspec.structs.replace(band, low=ends[0], high=ends[1])


def group_factor(side: Side, tail: float, bins: int, within: float, of_groups: float) -> float:
    """Return how many times as wide a band of `side` has to be for further groups, each counted once.

    A group is kept if the band holds `within` of its samples. The widths that keep each group of `side`, by a band of
    the others, are as exchangeable as the groups, so their quantile keeps a further group with the probability
    `of_groups` (Dunn, Wasserman and Ramdas, 2022). It is 1 at least: the band itself holds over all groups together.

    Raises:
        InputError: so few groups that even the widest of them promises less, or too few samples.
    """
    groups, truth, forecasts = np.array(side.groups), np.array(side.truth), np.array(side.forecasts)
    names = np.unique(groups)
    if np.ceil((len(names) + 1) * of_groups) > len(names):
        raise InputError(f"more groups for of_groups = {of_groups:g}", str(len(names)), "intervals", "Set of_groups")
    needed = []
    for part in np.array_split(np.random.default_rng(0).permutation(names), min(_PARTS, len(names))):
        mine = np.isin(groups, part)
        low, high = around(band_of(forecasts[~mine], truth[~mine], tail, tail, bins), forecasts[mine])
        ratio = np.abs(2 * truth[mine] - low - high) / np.maximum(high - low, _NARROW)
        needed += [_rank(ratio[groups[mine] == name], within) for name in part]
    return max(1.0, _rank(np.array(needed), of_groups))


def _rank(values: Array, share: float) -> float:
    """Return the quantile that a further value is below with the probability `share`."""
    return float(np.sort(values)[min(len(values), int(np.ceil((len(values) + 1) * share))) - 1])


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of some groups with their forecasts, in order of time within each group.

    Attributes:
        groups: of each sample.
        rows: last row of each sample, counted from 0 in its group's recording.
        truth, forecasts: shape (n,).
    """

    groups: tuple[str, ...]
    rows: tuple[int, ...]
    truth: tuple[float, ...]
    forecasts: tuple[float, ...]


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """What a fit forecast of groups that it left out, `test`, and what like fits forecast of others, `calibration`.

    No fit of either saw a group of `test`.
    """

    calibration: Side
    test: Side


class Folds(msgspec.Struct, frozen=True, kw_only=True):
    """All folds.

    Attributes:
        folds: in turn.
        rows: how many each group has.
        rate: rows a second; None where the data have no time.
        unit: what a row is, by the name of the target: 'cycles' of 'cycles_left'; 'rows' of others.
        group: what a group is, by the name of its column.
    """

    version: int = 1
    folds: tuple[Fold, ...]
    rows: dict[str, int]
    rate: float | None = None
    unit: str = "rows"
    group: str = "group"


@dataclass(frozen=True)
class FoldRequest:
    """Which groups judge: in so many folds all of them, or those named; `inner` folds of the others calibrate."""

    folds: int = 5
    inner: int = 4
    judge: tuple[str, ...] = ()


def forecast_folds(config: PipelineConfig, data: str | None, request: FoldRequest, listener: Listener) -> Folds:
    """Fit a pipeline without each part of its groups, and forecast the groups that it left out.

    Args:
        config: of an amount, with groups.
        data: path that overrides the one of the pipeline.
        request: which groups judge.
        listener: hears of each fit.

    Raises:
        InputError: classes, no groups, or too few of them.
        UnknownNameError: a group that is not in the data.
    """
    material = prepare(data_plan(config), data)
    if material.task != "regression" or material.samples.groups is None:
        raise InputError("amounts with groups", f"{material.task} without groups", config.name, "Set [data] group")
    known = np.unique(material.samples.groups)
    for name in request.judge:
        if name not in known:
            raise UnknownNameError("group", name, known.tolist(), "judge")
    judges = np.array(request.judge) if request.judge else known
    if len(judges) < request.folds or len(known) - len(judges) // request.folds < 2 * request.inner:
        raise InputError(f"more groups than {request.folds} folds need", str(len(known)), config.name, "Set folds")
    rng, folds = np.random.default_rng(config.seed), []
    dealt = np.array_split(rng.permutation(judges), request.folds)
    with listener.doing("Forecasting groups left out", len(dealt) * (1 + request.inner)) as advance:
        for test in dealt:
            parts = np.array_split(rng.permutation(np.setdiff1d(known, test)), request.inner)
            sides = []
            for part in parts:
                sides.append(_forecast(config, material, data, part, test))
                advance(1)
            folds.append(Fold(calibration=together(sides), test=_forecast(config, material, data, test, test[:0])))
            advance(1)
    every = [recording.groups for recording in material.dataset.recordings if recording.groups is not None]
    lengths = zip(*np.unique(np.concatenate(every), return_counts=True), strict=True)
    word, column, _ = material.dataset.target_name.rpartition("_left")
    return Folds(
        folds=tuple(folds),
        rows={str(name): int(count) for name, count in lengths},
        rate=material.dataset.rate,
        unit=word if column else "rows",
        group=material.dataset.group_name or "group",
    )


def together(sides: Sequence[Side]) -> Side:
    """Return the samples of several sides, which share no group, as one side."""
    return Side(**{key: tuple(x for side in sides for x in getattr(side, key)) for key in Side.__struct_fields__})


def _forecast(
    config: PipelineConfig, whole: Material, data: str | None, recent: NDArray[np.str_], unseen: NDArray[np.str_]
) -> Side:
    """Return what a fit forecasts of the groups `recent` that saw neither them nor those `unseen`."""
    names = tuple(np.union1d(recent, unseen).tolist())
    split = msgspec.structs.replace(config.split, by="group", test_groups=names)
    part = prepare(replace(whole.plan, split=split), data, whole.dataset)
    plan = resolve(config)
    quiet = Job(plan, Listener())
    flow = fit_stages(
        part.samples, part.fitted_on, plan.stages, part.task, config.seed, part.extra, quiet.listener.stage
    )
    model = learn(quiet, part, flow)
    groups, starts = part.samples.groups, part.samples.starts
    assert groups is not None  # noqa: S101 - asked before
    rows = part.sides.test[np.isin(groups[part.sides.test], recent)]
    rows = rows[np.lexsort((starts[rows], groups[rows]))]
    predicted = as_target(model, answers_of(model, flow, rows, part.task), part.task)
    # The first sample of a group ends with this row of it.
    ends = config.window.samples - 1 if config.window and not config.window.fill_start else 0
    begun = {name: int(starts[groups == name].min()) for name in recent.tolist()}
    return Side(
        groups=tuple(groups[rows].tolist()),
        rows=tuple(int(start) - begun[name] + ends for start, name in zip(starts[rows], groups[rows], strict=True)),
        truth=tuple(part.samples.y[rows].astype(np.float64).tolist()),
        forecasts=tuple(np.asarray(predicted, np.float64).ravel().tolist()),
    )
