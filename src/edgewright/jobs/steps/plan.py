"""`plan`: maintenance windows from forecasts of remaining life, at the risk that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import percent
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.intervals import FOLDS, read_folds
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobChart, JobCurve, JobFigure, StepRecord
from edgewright.training.metrics import group_interval, wilson
from edgewright.workflows.maintenance import Plan, Policy, by_age, plans_of


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan of maintenance.

    Attributes:
        intervals: step of that kind whose forecasts it takes.
        risk: share of machines that may fail before their window closes.
        notice: rows from the decision until the window opens.
        length: rows that the window is open.
        unit: what a row is.
    """

    intervals: str = "intervals"
    risk: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.05
    notice: Annotated[int, msgspec.Meta(ge=0)] = 10
    length: Annotated[int, msgspec.Meta(ge=1)] = 10
    unit: str = "rows"


def _plan(config: Config, work: Work) -> StepRecord:
    if not (work.out / config.intervals / FOLDS).is_file():
        raise InputError("a step of kind 'intervals' before", repr(config.intervals), f"{work.folder.name} job.toml")
    folds = read_folds(work, config.intervals)
    policy = Policy(config.risk, config.notice, config.length)
    plans = [plan for fold in folds.folds for plan in plans_of(fold, folds.rows, policy)]
    ages = [plan for fold in folds.folds for plan in by_age(fold, folds.rows, config.risk)]
    late = [plan for plan in plans if plan.closes < plan.opens]
    example = sorted(plans, key=lambda plan: plan.unused)[len(plans) // 2]
    gain = _unused(ages).value - _unused(plans).value
    return StepRecord(
        says=(
            f"For {example.group} the decision falls at {_row(example.decided)}: maintain it from {example.opens} to "
            f"{example.closes} {config.unit}; it fails at {example.failed}.",
            f"A maintenance at a fixed age with the same risk gives away {gain:.0f} {config.unit} more of each life.",
            f"{len(late)} of {len(plans)} windows close before parts are there.",
        ),
        figures=(
            _failed("failed", f"machines that fail before their window closes (asked: {percent(config.risk)})", plans),
            _figure("unused", f"{config.unit} of life given away", plans),
            _failed("failed_by_age", "the same by a fixed age: failed", ages),
            _figure("unused_by_age", f"by a fixed age: {config.unit} given away", ages),
            JobFigure(name="late", title="windows that close before they open", value=len(late) / len(plans)),
        ),
        charts=(_chart(plans, config.unit),),
    )


def _row(decided: int | None) -> str:
    return "no time" if decided is None else str(decided)


def _failed(name: str, title: str, plans: Sequence[Plan]) -> JobFigure:
    found = wilson(sum(plan.too_late for plan in plans), len(plans))
    return JobFigure(name=name, title=title, value=found.value, interval=found)


def _unused(plans: Sequence[Plan]) -> JobFigure:
    values, names = np.array([float(plan.unused) for plan in plans]), np.array([plan.group for plan in plans])
    found = group_interval(names, lambda drawn: float(values[drawn].mean()), within=(0.0, np.inf))
    return JobFigure(name="", title="", value=found.value, interval=found, unit="1")


def _figure(name: str, title: str, plans: Sequence[Plan]) -> JobFigure:
    return msgspec.structs.replace(_unused(plans), name=name, title=title)


def _chart(plans: Sequence[Plan], unit: str) -> JobChart:
    ordered = sorted(plans, key=lambda plan: plan.failed)

    def curve(name: str, values: Sequence[float]) -> JobCurve:
        return JobCurve(name=name, points=tuple((float(n), float(v)) for n, v in enumerate(values, 1)))

    return JobChart(
        title=f"Failure and maintenance window, {unit} since new",
        x_title="machines, by length of life",
        curves=(
            curve("fails", [plan.failed for plan in ordered]),
            curve("window closes", [plan.closes for plan in ordered]),
            curve("window opens", [plan.opens for plan in ordered]),
        ),
        label="For each machine, when it fails and when its window opens and closes.",
    )


STEP = Step(Config, "Maintenance windows", _plan)
