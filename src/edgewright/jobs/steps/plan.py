"""`plan`: maintenance windows from forecasts of remaining life, at the risk that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import percent
from edgewright.core.package import around
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.intervals import FOLDS
from edgewright.schema.job import JobChart, JobCurve, JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import group_interval, wilson
from edgewright.workflows.intervals import Folds, Plan, Policy, band_of, by_age, plans_of

_UNITS = (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan of maintenance.

    Attributes:
        intervals: step of that kind whose forecasts it takes.
        risk: share of machines that may fail before their window closes.
        notice: rows from the decision until the window opens.
        length: rows that the window is open.
    """

    intervals: str = "intervals"
    risk: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.05
    notice: Annotated[int, msgspec.Meta(ge=0)] = 10
    length: Annotated[int, msgspec.Meta(ge=1)] = 10


class Clock(NamedTuple):
    """In what a plan is told: so many rows are one `unit`."""

    unit: str
    rows: float

    def of(self, rows: float) -> float:
        """Return rows in the unit."""
        return rows / self.rows


def clock_of(folds: Folds) -> Clock:
    """Return the largest of days, hours, minutes and seconds of which a life has two; what a row is without a rate."""
    if folds.rate is None:
        return Clock(folds.unit, 1.0)
    life = float(np.median([*folds.rows.values()])) / folds.rate
    unit, seconds = next((pair for pair in _UNITS if life >= 2 * pair[1]), _UNITS[-1])
    return Clock(unit, seconds * folds.rate)


def _plan(config: Config, work: Work) -> StepRecord:
    folds = msgspec.json.decode(work.file_of(config.intervals, "intervals", FOLDS).read_bytes(), type=Folds)
    policy = Policy(config.risk, config.notice, config.length)
    plans = [plan for fold in folds.folds for plan in plans_of(fold, folds.rows, policy)]
    ages = [plan for fold in folds.folds for plan in by_age(fold, folds.rows, config.risk)]
    late = [plan for plan in plans if plan.closes < plan.opens]
    example = sorted(plans, key=lambda plan: plan.unused)[len(plans) // 2]
    clock = clock_of(folds)
    gain = _unused(ages, clock).value - _unused(plans, clock).value
    return StepRecord(
        says=(
            f"For {example.group} the decision falls at {_moment(example.decided, clock)}: maintain it from "
            f"{_moment(example.opens, clock)} to {_moment(example.closes, clock)} {clock.unit}; it fails at "
            f"{_moment(example.failed, clock)}.",
            f"A maintenance at a fixed age with the same risk gives away {gain:.3g} {clock.unit} more of each life.",
            f"{len(late)} of {len(plans)} windows close before parts are there.",
        ),
        figures=(
            _failed("failed", f"machines that fail before their window closes (asked: {percent(config.risk)})", plans),
            _figure("unused", f"{clock.unit} of life given away", plans, clock),
            _failed("failed_by_age", "the same by a fixed age: failed", ages),
            _figure("unused_by_age", f"by a fixed age: {clock.unit} given away", ages, clock),
            JobFigure.of("late", "windows that close before they open", len(late) / len(plans)),
        ),
        timeline=_life(folds, example, config.risk, clock),
        charts=(_chart(plans, clock),),
    )


def _life(folds: Folds, plan: Plan, risk: float, clock: Clock) -> Timeline:
    """Draw the life of a machine: what is left by the forecasts, the decision, the window and the failure."""
    fold = next(fold for fold in folds.folds if plan.group in fold.test.groups)
    mine = np.array(fold.test.groups) == plan.group
    when = [clock.of(row) for row in np.array(fold.test.rows)[mine].tolist()]
    band = band_of(np.array(fold.calibration.forecasts), np.array(fold.calibration.truth), risk, 0.0)
    forecasts = np.array(fold.test.forecasts)[mine]
    sure, _ = around(band, forecasts)
    end = clock.of(plan.failed)
    marks = [Mark(time=end, kind="missed", text="failure")]
    if plan.decided is not None:
        marks.insert(0, Mark(time=clock.of(plan.decided), kind="event", text="decision"))
    windows = ((plan.opens, plan.closes),) if plan.closes > plan.opens else ()
    return Timeline(
        title=f"The life of {plan.group}",
        seconds=end,
        unit=f"{clock.unit} since new",
        labels=("maintenance",),
        truth=(),
        answers=tuple(
            Stretch(label="maintenance", start=clock.of(opens), end=clock.of(closes)) for opens, closes in windows
        ),
        marks=tuple(marks),
        keys=("truth", "window of maintenance", "states"),
        note="The square is the decision, the cross the failure without maintenance.",
        signals=(
            tuple(
                JobCurve(name=name, points=tuple(zip(when, map(clock.of, values.tolist()), strict=True)))
                for name, values in (("forecast left", forecasts), ("left at least", np.maximum(sure, 0.0)))
            ),
        ),
    )


def _moment(row: int | None, clock: Clock) -> str:
    return "no time" if row is None else f"{clock.of(row):.4g}"


def _failed(name: str, title: str, plans: Sequence[Plan]) -> JobFigure:
    share = wilson(sum(plan.too_late for plan in plans), len(plans))
    return JobFigure.of_interval(name, title, share)


def _unused(plans: Sequence[Plan], clock: Clock) -> JobFigure:
    values, names = np.array([clock.of(plan.unused) for plan in plans]), np.array([plan.group for plan in plans])
    mean = group_interval(names, lambda rows: float(values[rows].mean()), within=(0.0, np.inf))
    return JobFigure.of_interval("", "", mean, "1")


def _figure(name: str, title: str, plans: Sequence[Plan], clock: Clock) -> JobFigure:
    return msgspec.structs.replace(_unused(plans, clock), name=name, title=title)


def _chart(plans: Sequence[Plan], clock: Clock) -> JobChart:
    ordered = sorted(plans, key=lambda plan: plan.failed)

    def curve(name: str, values: Sequence[float]) -> JobCurve:
        return JobCurve(name=name, points=tuple((float(n), clock.of(v)) for n, v in enumerate(values, 1)))

    return JobChart(
        title=f"Failure and maintenance window, {clock.unit} since new",
        x_title="machines, by length of life",
        curves=(
            curve("fails", [plan.failed for plan in ordered]),
            curve("window closes", [plan.closes for plan in ordered]),
            curve("window opens", [plan.opens for plan in ordered]),
        ),
        label="For each machine, when it fails and when its window opens and closes.",
    )


STEP = Step(Config, "Maintenance windows", _plan)
