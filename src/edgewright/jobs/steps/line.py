"""`line`: what the upkeep of a line of machines costs by forecasts, at a fixed age, and without any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import percent, plural
from edgewright.jobs.group_figures import over_groups, ratio
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.intervals import FOLDS
from edgewright.schema.job import Choice, JobChart, JobCurve, JobFigure, StepRecord
from edgewright.workflows.intervals import Fold, Folds
from edgewright.workflows.maintenance import Costs, Lives, Upkeep, by_age, by_forecast, keep_up, lives_of

WAYS = {"failure": "repaired after failures", "age": "maintained at a fixed age", "forecast": "maintained by forecast"}
# Shares of lives that are shorter than a fixed age that is tried; points of the chart.
_SHORTER, _POINTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5), 60
_PER, _ANY = 1000, (0.0, np.inf)
Risk = Annotated[float, msgspec.Meta(gt=0, lt=0.5)]


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of machines.

    Attributes:
        intervals: step of that kind whose forecasts it takes; each of its folds is a line of its own.
        machines: of the line.
        crews: that maintain and repair, one machine each at a time.
        notice: rows from the booking of a maintenance until parts are there.
        costs: by the parts and work of one planned maintenance.
        risks: shares of machines that may last shorter than is taken for sure; the cheapest is chosen on machines that
            do not judge, as is the fixed age.
        rows: of the line's time.
        draws: how often each line lives it.
        seed: of the lives.
    """

    intervals: str = "intervals"
    machines: Annotated[int, msgspec.Meta(ge=1)] = 10
    crews: Annotated[int, msgspec.Meta(ge=1)] = 1
    notice: Annotated[int, msgspec.Meta(ge=0)] = 10
    costs: Costs
    risks: Annotated[tuple[Risk, ...], msgspec.Meta(min_length=1)] = (0.01, 0.02, 0.05, 0.1, 0.2)
    rows: Annotated[int, msgspec.Meta(ge=10)] = 1000
    draws: Annotated[int, msgspec.Meta(ge=1)] = 40
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def _line(config: Config, work: Work) -> StepRecord:
    folds = msgspec.json.decode(work.file_of(config.intervals, "intervals", FOLDS).read_bytes(), type=Folds)
    lines, chosen = [], []
    for fold in work.each("Keeping lines up", folds.folds, len(folds.folds)):
        age, risk = _choose(config, fold)
        chosen.append((age, risk))
        lives = lives_of(fold.test, fold.calibration, risk)
        bookings = {"failure": by_age(0), "age": by_age(age), "forecast": by_forecast(lives)}
        lines.append({way: _keep_up(config, lives, booking) for way, booking in bookings.items()})
    ages, risks = ([pair[which] for pair in chosen] for which in (0, 1))
    spread = f"{min(ages)} to {max(ages)} {folds.unit}"
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"{plural(len(lines), 'line')} of {plural(config.machines, 'machine')} and {plural(config.crews, 'crew')} "
            f"run for {config.rows} {folds.unit}, {config.draws} times each. After its work a machine is as good as "
            "new, and wears out as another of those that judge did.",
            f"A planned maintenance costs 1 and {config.costs.planned_rows} {folds.unit} of a crew, a failure "
            f"{config.costs.failure:g} and {config.costs.failure_rows} {folds.unit}; "
            f"{1 / config.costs.standing:.3g} {folds.unit} in which a machine stands still cost 1, too.",
            f"The fixed age, {spread}, and the risk of the forecasts, {percent(min(risks))} to "
            f"{percent(max(risks))}, cost least on other machines.",
        ),
        figures=tuple(_figures(config, lines, folds.unit)),
        charts=(_chart(config, lines, folds.unit),),
        choice=Choice(
            question="When does a machine of the line come in?",
            why="the lowest cost on machines that do not judge",
            chosen=f"at an age of {spread}; by forecast at a risk of {percent(min(risks))} to {percent(max(risks))}",
        ),
    )


def _keep_up(config: Config, lives: Lives, booking: Callable[..., np.ndarray]) -> Upkeep:
    return keep_up(
        lives, booking, config.costs, machines=config.machines, crews=config.crews, notice=config.notice,
        rows=config.rows, draws=config.draws, seed=config.seed,
    )  # fmt: skip


def _choose(config: Config, fold: Fold) -> tuple[int, float]:
    """Return the age and the risk that cost least on the machines that calibrate."""
    by_risk = {risk: lives_of(fold.calibration, fold.calibration, risk) for risk in config.risks}
    lives = next(iter(by_risk.values()))
    ages = {max(1, int(np.quantile(lives.lengths, share)) - 1) for share in _SHORTER}
    by_cost = {age: float(_keep_up(config, lives, by_age(age)).cost.mean()) for age in sorted(ages)}
    risky = {risk: float(_keep_up(config, of, by_forecast(of)).cost.mean()) for risk, of in by_risk.items()}
    return min(by_cost, key=lambda age: by_cost[age]), min(risky, key=lambda risk: risky[risk])


def _figures(config: Config, lines: Sequence[dict[str, Upkeep]], unit: str) -> list[JobFigure]:
    every, time = np.arange(len(lines)), np.full(len(lines), config.rows / _PER * config.machines)
    cost = {way: np.array([line[way].cost.mean() for line in lines]) for way in WAYS}
    figures = [
        over_groups(
            f"cost_{way}", f"cost of {_PER} {unit} of a machine, {words}", every, ratio(cost[way], time), _ANY, "1"
        )
        for way, words in WAYS.items()
    ]
    figures += [
        over_groups(f"by_{way}", f"cost by forecast, of that {word}", every, ratio(cost["forecast"], cost[way]), _ANY)
        for way, word in (("failure", "of repairs after failures"), ("age", "at a fixed age"))
    ]
    for way, words in WAYS.items():
        failures = np.array([line[way].failures.mean() for line in lines])
        planned = np.array([line[way].planned.mean() for line in lines])
        title = f"machines that failed before a crew came, {words}"
        figures.append(over_groups(f"failed_{way}", title, every, ratio(failures, failures + planned), (0.0, 1.0)))
    return figures


def _chart(config: Config, lines: Sequence[dict[str, Upkeep]], unit: str) -> JobChart:
    points = np.unique(np.linspace(0, config.rows - 1, _POINTS).astype(int))

    def curve(way: str) -> JobCurve:
        course = np.mean([line[way].course for line in lines], axis=0)
        return JobCurve(name=WAYS[way], points=tuple((float(row + 1), float(course[row])) for row in points))

    return JobChart(
        title=f"Cost of a line of {config.machines}, in planned maintenances", x_title=unit,
        curves=tuple(curve(way) for way in WAYS), label="What a line has cost up to each moment, by three ways.",
    )  # fmt: skip


STEP = Step(Config, "A line of machines and its crews", _line)
