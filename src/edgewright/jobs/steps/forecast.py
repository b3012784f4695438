"""`forecast`: a series forecast from each of its last rows, against the best seasonal naive forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.load import load_data
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.forecasting.backtest import score_forecaster
from edgewright.language.forecasting.calendar_seasons import choose_seasons
from edgewright.language.forecasting.judging import JudgedForecast, judge_forecast
from edgewright.language.forecasting.selection import ForecastRequest
from edgewright.language.forecasting.series import filled, series_of
from edgewright.monitor.forecaster import write_forecaster
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobChart, JobCurve, JobFigure, StepRecord

Rows = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class SeriesConfig(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a step that looks at a series.

    Attributes:
        data: kind and keys of a source or public set, as [data] of a pipeline.
        column: whose values; may be left out where there is one.
        horizon: rows ahead.
        judge: rows at the end that judge and choose nothing.
    """

    data: dict[str, Any]
    column: str = ""
    horizon: Rows
    judge: Rows


@dataclass(frozen=True)
class JobSeries:
    """A series without holes.

    Attributes:
        column: its name.
        values: shape (rows,).
        start: first row that judges.
        step: seconds from row to row; 0 where nobody knows.
        request: horizon, and seasons of the rows before `start`.
    """

    column: str
    values: NDArray[np.float64]
    start: int
    step: float
    request: ForecastRequest

    def when(self, row: int) -> str:
        """Return the day of the data and the time since it began, or the row where nobody knows the step."""
        if not self.step:
            return f"row {row:,}"
        days, seconds = divmod(row * self.step, 86_400.0)
        return f"day {days + 1:.0f} at {seconds // 3600:02.0f}:{seconds % 3600 // 60:02.0f}"

    @property
    def unit(self) -> tuple[str, float]:
        """What an axis of time counts, and rows of one."""
        return ("days", 86_400.0 / self.step) if 0 < self.step < 86_400.0 else ("rows", 1.0)


def read_job_series(config: SeriesConfig, work: Work) -> JobSeries:
    """Read the series of a step.

    Raises:
        InputError: no such column, or too few rows before those that judge.
    """
    dataset = load_data(config.data, seed=0, path=work.path_of(config.data))
    series = series_of(dataset, config.column)
    start = len(series.values) - config.judge
    minimum = 3 * config.horizon
    if start < minimum:
        raise InputError(
            f"at least {minimum} rows before the {config.judge} that judge", f"{max(0, start)}", series.column
        )
    # Seasons and holes by the rows that may choose; a hole that judges is filled like any other.
    first, _ = filled(replace(series, values=series.values[:start]), 1)
    seasons = choose_seasons(first.values, config.horizon, series.step).rows
    whole, _ = filled(series, seasons[-1] if seasons else 1)
    return JobSeries(
        series.column, whole.values, len(whole.values) - config.judge, series.step,
        ForecastRequest(config.horizon, seasons),
    )  # fmt: skip


class Config(SeriesConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forecast, with the keys of every series."""


def _forecast(config: Config, work: Work) -> StepRecord:
    with work.listener.doing("Forecasting"):
        series = read_job_series(config, work)
        judgement = judge_forecast(series.values, series.start, series.request, column=series.column)
        scores = score_forecaster(judgement.forecaster, series.values[series.start :], series.column)
    folder = work.new_folder(config)
    write_forecaster(folder / f"{series.column}.forecaster", judgement.forecaster)
    named = [str(season) for season in series.request.seasons]
    ratio = judgement.ratio(series.start)
    spec = judgement.forecaster.spec
    command = f"edgewright forecast DATA.csv --column {series.column} --horizon {config.horizon}"
    figures = (
            JobFigure.of_interval("ratio", "error in units of the best naive forecast", ratio, "1"),
            JobFigure.of("mae", "mean absolute error", float(judgement.errors.mean()), "1"),
            JobFigure.of("naive_mae", f"of the best naive forecast: {judgement.naive_name}",
                         float(judgement.naive.mean()), "1"),
            JobFigure.of("mase", "MASE", scores["mase"], "1"),
            *(
                JobFigure.of(f"covered_{row['level']:g}", f"values within the {row['level']:g} % interval",
                             row["held"] / row["of"])
                for row in scores["coverage"]
            ),
    )  # fmt: skip
    return StepRecord(
        command=f"{command} --season {','.join(named) or 'none'}",
        says=(
            f"{spec.name}, seasons of {' and '.join(named) or 'no'} rows, fitted on {series.start:,} rows; "
            f"{len(judgement.origins):,} forecasts of {config.horizon} rows each from the {config.judge:,} rows after "
            f"them. The best naive forecast there is {judgement.naive_name}.",
        ),
        figures=figures,
        choice=Choice(
            question="Which forecast?", options=figures[1:3], chosen=spec.name,
            why="a backtest on the rows before those that judge chose its form; the naive one is measured beside it",
        ),
        charts=(_chart(series, judgement),),
        folder=folder.name,
    )  # fmt: skip


def _chart(series: JobSeries, judgement: JudgedForecast) -> JobChart:
    """Draw the rows that judge, with each forecast from the end of the one before."""
    horizon, (unit, rows) = series.request.horizon, series.unit
    chosen = range(0, len(judgement.origins), horizon)
    ahead = [
        ((int(judgement.origins[index]) + step - series.start) / rows, float(judgement.forecasts[index, step]))
        for index in chosen
        for step in range(horizon)
    ]
    came = [(number / rows, float(value)) for number, value in enumerate(series.values[series.start :].tolist())]
    # A page draws some hundred points: what fits of the newest.
    newest = came[-1][0] - 300 / rows
    return JobChart(
        title=series.column, x_title=f"{unit} since the first row that judges",
        curves=(
            JobCurve(name="came", points=tuple(point for point in came if point[0] >= newest)),
            JobCurve(name="forecast", points=tuple(point for point in ahead if point[0] >= newest)),
        ),
        label=f"What came, and what was forecast up to {horizon} rows before; the newest rows",
    )  # fmt: skip


STEP = Step(Config, "Forecast", _forecast)
