"""`unusual`: days, or other horizons, that went otherwise than was forecast at their beginning."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.jobs.group_figures import share_of
from edgewright.jobs.steps import Step, Work
from edgewright.jobs.steps.forecast import JobSeries, Rows, SeriesConfig, read_job_series
from edgewright.language.forecasting.judging import judge_forecast
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobChart, JobCurve, JobFigure, StepRecord

Floats = NDArray[np.float64]


class Config(SeriesConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A search; `horizon` is the length of a day in rows.

    Attributes:
        rows: of a stretch in a day, whose sum is compared.
        every: days from one false alarm to the next, on the days before those that judge.
    """

    rows: Rows
    every: Annotated[int, msgspec.Meta(ge=2)] = 14


def _unusual(config: Config, work: Work) -> StepRecord:
    if config.rows > config.horizon:
        raise InputError(f"rows of at most {config.horizon}, the horizon", f"{config.rows}", work.folder.name)
    with work.listener.doing("Looking for unusual days"):
        series = read_job_series(config, work)
        half = series.start - series.start // 2 // config.horizon * config.horizon
        usual = _days(series.values[: series.start], half, series)
        judging = _days(series.values, series.start, series)
    before, errors_now = errors(*usual, config.rows), errors(*judging, config.rows)
    limit = usual_limit(before, config.every)
    flagged = np.abs(errors_now).max(axis=1) > limit
    forecasts, came = judging
    season = max([1, *series.request.seasons]) // config.horizon or 1
    figures = [JobFigure.of("unusual", f"unusual days of {len(came)}", int(flagged.sum()), "1")]
    if not flagged.all():
        figures += [
            _planted(name, title, errors(forecasts, planted(forecasts, came, config.rows, times), config.rows),
                     limit, ~flagged, season)
            for name, title, times in (
                ("twice", "found where twice as many come in the busiest stretch", 2.0),
                ("none", "found where nobody comes in it", 0.0),
            )
        ]  # fmt: skip
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"A day is unusual where the sum of {config.rows} rows is further from its forecast than on all but "
            f"{plural(len(usual[0]) // config.every, 'day')} of the {len(usual[0])} before those that judge.",
            *(
                f"{_day_text(series, config, half, day, usual, before)}; this day is before those that judge"
                for day in np.flatnonzero(np.abs(before).max(axis=1) > limit).tolist()
            ),
            *(
                _day_text(series, config, series.start, day, judging, errors_now)
                for day in np.flatnonzero(flagged).tolist()
            ),
        ),
        figures=tuple(figures),
        charts=(_chart(series, config, np.abs(errors_now).max(axis=1) / limit),),
    )


def _days(values: Floats, start: int, series: JobSeries) -> tuple[Floats, Floats]:
    """Return what was forecast at the beginning of each whole day from `start` on, and what came."""
    judgement = judge_forecast(values, start, series.request, column=series.column)
    at = slice(None, None, series.request.horizon)
    return np.asarray(judgement.forecasts[at]), np.asarray(judgement.truth[at])


def errors(forecasts: Floats, came: Floats, rows: int) -> Floats:
    """Return how much more came than was forecast in each stretch of so many rows, shape (days, stretches)."""
    sums = np.cumsum(np.pad(came - forecasts, ((0, 0), (1, 0))), axis=1)
    return np.asarray(sums[:, rows:] - sums[:, :-rows])


def usual_limit(usual: Floats, every: int) -> float:
    """Return the largest error of a stretch on all but one in `every` days."""
    return float(np.sort(np.abs(usual).max(axis=1))[::-1][len(usual) // every])


def planted(forecasts: Floats, came: Floats, rows: int, times: float) -> Floats:
    """Return days with what came in the busiest stretch of the forecast so many times over."""
    changed = came.copy()
    for day, begin in enumerate(errors(np.zeros_like(forecasts), forecasts, rows).argmax(axis=1).tolist()):
        changed[day, begin : begin + rows] *= times
    return changed


def _planted(
    name: str, title: str, errors_then: Floats, limit: float, among: NDArray[np.bool_], season: int
) -> JobFigure:
    detected = np.abs(errors_then).max(axis=1)[among] > limit
    weeks = (np.arange(len(among)) // season)[among]
    return share_of(name, f"{title} (made up)", detected, weeks, "season")


def _day_text(
    series: JobSeries, config: Config, start: int, day: int, days: tuple[Floats, Floats], day_errors: Floats
) -> str:
    begin = int(np.abs(day_errors[day]).argmax())
    part = slice(begin, begin + config.rows)
    first = start + day * config.horizon + begin
    forecast, came = (float(series_days[day, part].sum()) for series_days in days)
    when = f"From {series.when(first)} to {series.when(first + config.rows)}"
    return f"{when} {came:.0f} came, {forecast:.0f} were expected"


def _chart(series: JobSeries, config: Config, scores: Floats) -> JobChart:
    days = [float(number) for number in range(1, len(scores) + 1)]
    return JobChart(
        title=f"{series.column}: largest error of {config.rows} rows, in units of the limit", x_title="day that judges",
        curves=(
            JobCurve(name="error", points=tuple(zip(days, scores.tolist(), strict=True))),
            JobCurve(name="limit", points=((days[0], 1.0), (days[-1], 1.0))),
        ),
        label=f"How far the least expected {config.rows} rows of each day were from their forecast",
    )  # fmt: skip


STEP = Step(Config, "Unusual days", _unusual)
