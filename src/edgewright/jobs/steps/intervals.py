"""`intervals`: how far a forecast amount may be off, calibrated on some groups and tested on others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.files import write_atomic
from edgewright.core.formatting import percent, plural
from edgewright.core.package import around, read_package, write_package
from edgewright.core.predictor import package_path
from edgewright.jobs.group_figures import share_of
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import JobChart, JobCurve, JobFigure, StepRecord
from edgewright.schema.package import IntervalSpec
from edgewright.training.metrics import group_interval, wilson
from edgewright.workflows.intervals import (
    BINS,
    FoldRequest,
    Side,
    band_of,
    forecast_folds,
    group_factor,
    together,
    widened,
)

Array = NDArray[np.float64]
# Share of the time by which groups are counted where the job promises nothing of single ones.
_WITHIN = 0.75
FOLDS, BAND = "folds.json", "intervals.json"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Intervals of a run's forecasts.

    Attributes:
        run: step whose pipeline is fitted again without each part of the groups; the newest when empty.
        level: share of the truth that an interval is to hold.
        folds: parts of the groups that judge.
        inner: parts of the other groups that calibrate each.
        judge: groups that judge; all when empty. Name those that chose nothing.
        within: share of a group's truth that its interval is to hold, of `of_groups` of the groups; intervals are
            widened until they do. 0 promises nothing of single groups.
        of_groups: share of the groups for which `within` is to be true.
        bins: parts by the size of the forecast, each with an interval of its own.
    """

    run: str = ""
    level: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.9
    folds: Annotated[int, msgspec.Meta(ge=2)] = 5
    inner: Annotated[int, msgspec.Meta(ge=2)] = 4
    judge: tuple[str, ...] = ()
    within: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    of_groups: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.9
    bins: Annotated[int, msgspec.Meta(ge=1)] = BINS


def _intervals(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    request = FoldRequest(config.folds, config.inner, config.judge)
    folds = forecast_folds(ran.config, ran.data, request, work.listener)
    folder = work.new_folder(config)
    write_atomic(folder / FOLDS, msgspec.json.encode(folds))
    tested = together([fold.test for fold in folds.folds])
    groups, rows, truth, forecasts = (np.array(getattr(tested, key)) for key in Side.__struct_fields__)
    ends = [around(_band(config, fold.calibration), np.array(fold.test.forecasts)) for fold in folds.folds]
    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
    # A package carries what all of the groups tell.
    whole = _band(config, tested)
    write_atomic(folder / BAND, msgspec.json.encode(whole))
    package = write_interval(ran.folder, folder, whole, len(np.unique(groups)))
    covered = (low <= truth) & (truth <= high)
    shares = {name: float(covered[groups == name].mean()) for name in np.unique(groups).tolist()}
    worst = min(shares, key=lambda name: shares[name])
    near = truth <= np.median(truth)
    middle = sorted(shares, key=lambda name: shares[name])[len(shares) // 2]
    return StepRecord(
        command="",
        says=(
            f"Each of {plural(len(shares), folds.group)} is forecast by a fit that never saw it; the widths come from "
            "others that were left out in the same way.",
            f"An interval of {percent(config.level)} is a promise over all of them: of the worst, {worst}, it "
            f"holds {percent(shares[worst])} of the time.",
            f"{folder.name}/{package} carries the intervals: predictions come with them.",
        ),
        figures=(
            share_of("coverage", f"truth inside intervals of {percent(config.level)}", covered, groups),
            share_of("coverage_near", "the same, of the lower half of the amounts", covered[near], groups[near]),
            share_of("coverage_far", "the same, of the upper half", covered[~near], groups[~near]),
            _kept(list(shares.values()), config.within or _WITHIN, folds.group),
            JobFigure.of("worst", f"share of the time of the worst, {worst}", shares[worst]),
            JobFigure.of("width", "mean width", float((high - low).mean()), "1"),
            _rmse(truth - forecasts, groups),
            JobFigure.of("groups", "groups that judge", len(shares), "1"),
        ),
        charts=(_chart(middle, groups, rows, truth, low, high),),
        folder=folder.name,
    )


def _band(config: Config, side: Side) -> IntervalSpec:
    tail = (1 - config.level) / 2
    band = band_of(np.array(side.forecasts), np.array(side.truth), tail, tail, config.bins)
    if not config.within:
        return band
    return widened(band, group_factor(side, tail, config.bins, config.within, config.of_groups))


def _kept(shares: list[float], within: float, group: str) -> JobFigure:
    kept = wilson(sum(share >= within for share in shares), len(shares))
    return JobFigure.of_interval(
        "by_group", f"{plural(2, group).removeprefix('2 ')} whose interval holds {percent(within)} of the time", kept
    )


def write_interval(run: Path, folder: Path, spec: IntervalSpec, groups: int) -> str:
    """Write the package of a run with its interval into the folder, and return the name of the file."""
    path = package_path(run)
    package = read_package(path)
    text = f"{percent(spec.level)}, calibrated on {plural(groups, 'group')} left out"
    provenance = {**package.manifest.provenance, "interval": text, "interval_of": package.sha256}
    manifest = msgspec.structs.replace(package.manifest, interval=spec, provenance=provenance)
    write_package(folder / path.name, manifest, package.files)
    return path.name


def _rmse(errors: Array, groups: NDArray[np.str_]) -> JobFigure:
    interval = group_interval(groups, lambda rows: float(np.sqrt(np.square(errors[rows]).mean())), within=(0.0, np.inf))
    return JobFigure.of_interval("rmse", "root mean squared error", interval, "1")


def _chart(
    group: str, groups: NDArray[np.str_], rows: NDArray[np.int64], truth: Array, low: Array, high: Array
) -> JobChart:
    mine = groups == group

    def curve(name: str, values: Array) -> JobCurve:
        return JobCurve(name=name, points=tuple(zip(map(float, rows[mine]), map(float, values[mine]), strict=True)))

    return JobChart(
        title=f"The group of median coverage, {group}",
        x_title="row",
        curves=(curve("truth", truth), curve("lower end", low), curve("upper end", high)),
        label=f"Truth and interval of {group}, row by row.",
    )


STEP = Step(Config, "Intervals", _intervals)
