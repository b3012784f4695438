"""The series of a step: one column of a data set, the seasons that its first rows show, and the rows that judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.load import load_data
from edgewright.jobs.steps import StepConfig, Work
from edgewright.language.forecasting.calendar_seasons import choose_seasons
from edgewright.language.forecasting.selection import ForecastRequest
from edgewright.language.forecasting.series import filled, series_of
from edgewright.schema.errors import InputError

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
