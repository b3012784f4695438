"""`intervals`: how far a forecast amount may be off, calibrated on some groups and judged on others."""

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
from edgewright.training.metrics import group_interval
from edgewright.workflows.intervals import BINS, FoldRequest, band_of, forecast_folds

Array = NDArray[np.float64]
FOLDS, BAND = "folds.json", "intervals.json"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Intervals of a run's forecasts.

    Attributes:
        run: step whose pipeline is fitted again without each part of the groups; the newest when empty.
        level: share of the truth that an interval is to hold.
        folds: parts of the groups that judge.
        inner: parts of the other groups that calibrate each.
        judge: groups that judge; all when empty. Name those that chose nothing.
        bins: parts by the size of the forecast, each with an interval of its own.
    """

    run: str = ""
    level: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.9
    folds: Annotated[int, msgspec.Meta(ge=2)] = 5
    inner: Annotated[int, msgspec.Meta(ge=2)] = 4
    judge: tuple[str, ...] = ()
    bins: Annotated[int, msgspec.Meta(ge=1)] = BINS


def _intervals(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    request = FoldRequest(config.folds, config.inner, config.judge)
    folds = forecast_folds(ran.config, ran.data, request, work.listener)
    folder = work.new_folder(config)
    write_atomic(folder / FOLDS, msgspec.json.encode(folds))
    tail = (1 - config.level) / 2
    sides = [fold.test for fold in folds.folds]
    groups, rows, truth, forecasts = (
        np.array([x for test_side in sides for x in getattr(test_side, key)])
        for key in ("groups", "rows", "truth", "forecasts")
    )
    ends = []
    for fold in folds.folds:
        given = fold.calibration
        band = band_of(np.array(given.forecasts), np.array(given.truth), tail, tail, config.bins)
        ends.append(around(band, np.array(fold.test.forecasts)))
    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
    # A package carries what all of the groups tell.
    whole = band_of(forecasts, truth, tail, tail, config.bins)
    write_atomic(folder / BAND, msgspec.json.encode(whole))
    package = _write_package(ran.folder, folder, whole, len(np.unique(groups)))
    covered = (low <= truth) & (truth <= high)
    shares = {name: float(covered[groups == name].mean()) for name in np.unique(groups).tolist()}
    worst = min(shares, key=lambda name: shares[name])
    near = truth <= np.median(truth)
    middle = sorted(shares, key=lambda name: shares[name])[len(shares) // 2]
    return StepRecord(
        command="",
        says=(
            f"Each of {len(shares)} groups is forecast by a fit that never saw it; the widths come from other groups "
            "that were left out in the same way.",
            f"An interval of {percent(config.level)} is a promise over all groups: of the worst, {worst}, it holds "
            f"{percent(shares[worst])}.",
            f"{folder.name}/{package} carries the intervals: predictions come with them.",
        ),
        figures=(
            share_of("coverage", f"truth inside intervals of {percent(config.level)}", covered, groups),
            share_of("coverage_near", "the same, of the lower half of the amounts", covered[near], groups[near]),
            share_of("coverage_far", "the same, of the upper half", covered[~near], groups[~near]),
            JobFigure.of("width", "mean width", float((high - low).mean()), "1"),
            _rmse(truth - forecasts, groups),
            JobFigure.of("groups", "groups that judge", len(shares), "1"),
        ),
        charts=(_chart(middle, groups, rows, truth, low, high),),
        folder=folder.name,
    )


def _write_package(run: Path, folder: Path, spec: IntervalSpec, groups: int) -> str:
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
