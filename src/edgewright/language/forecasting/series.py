"""One column of a file as a series at even steps, with everything that was done to it said."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import parts_of
from edgewright.core.clocks.reader import text_of as joined_text
from edgewright.core.csv.formats import text_of
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import (
    ForecasterError,
    SeriesError,
    TimeFormatError,
    TooFewRowsError,
    UnknownNameError,
)
from edgewright.core.records.data import DataSet, TimeUnit
from edgewright.data.clock import read_clock
from edgewright.data.contract import read_columns
from edgewright.data.load import guess
from edgewright.data.polars import pl
from edgewright.data.table_proposal import propose_table

Floats = NDArray[np.float64]
# Share of a step by which a row may lie beside its place, and share of rows that may lie further away.
_JITTER, _ODD = 0.2, 0.01
_SHORT, _MOST_ROWS, _LARGEST = 3, 1 << 22, 1e100


@dataclass(frozen=True)
class Series:
    """A series as it was read.

    Attributes:
        values: shape (rows,), float64, NaN where missing.
        column, time: names; time is empty where rows carry none.
        step: seconds from row to row; 0 where nobody knows.
        last: epoch seconds (or the counter) of the last row.
        notes: what was found and done, as sentences.
        time_unit: of a time in numbers, as [data] has it.
    """

    values: Floats
    column: str
    time: str = ""
    step: float = 0.0
    last: float = 0.0
    notes: tuple[str, ...] = ()
    time_unit: TimeUnit = "auto"


def read_series(path: str, *, column: str = "", time: str = "", time_unit: str = "", resample: float = 0.0) -> Series:
    """Read one column of a CSV or Parquet file.

    Args:
        path: the file.
        column: whose values; may be left out where there is one besides the time.
        time: column of the times; found by its name or its values when left out.
        time_unit: of a time in numbers; by what the file states, its values and what is measured when left out.
        resample: seconds of a step onto which rows are averaged; 0 keeps the file's own.

    Raises:
        InputError: no such column, more than one where none is named, times that are none, of several meanings,
            stand still, go back or come at uneven steps without `resample`.
    """
    kind = guess(path)["kind"]
    if kind not in ("csv", "parquet") or Path(path).is_dir():
        raise SeriesError("a CSV or Parquet file", "a folder" if Path(path).is_dir() else f"{kind} data", path)
    name = Path(path).name
    columns = read_columns(Path(path), name, None) if kind == "csv" else _parquet_columns(Path(path), name)
    for wanted in (column, time):
        if wanted and wanted not in columns:
            raise UnknownNameError("column", wanted, columns, name)
    named = {"time": time, "time_unit": time_unit, "ignore": (column,) if column and column != time else ()}
    table = propose_table(path, named, texts=False).table
    time = str(table.get("time", ""))
    unit: Any = table.get("time_unit", "auto")
    column = column or _only([c for c in columns if c not in (time, *parts_of(time, columns))], name)
    if column == time:
        raise SeriesError("a column of values besides the time", repr(column), name)
    reader = _csv if kind == "csv" else _parquet
    values, text = reader(Path(path), name, column, time)
    values = np.where(np.isfinite(values), values, np.nan)
    if (far := np.flatnonzero(np.abs(values) > _LARGEST)).size:
        got = f"{values[far[0]]:g}"
        raise SeriesError(f"numbers up to {_LARGEST:g}", got, f"{name} row {far[0] + 1}, column {column}", "Correct it")
    if not time:
        return Series(values, column, notes=("no time column; even steps between rows are assumed",))
    clock = read_clock(text, column=time, unit=unit, row_name=lambda row: f"{name} row {row + 1}")
    series = Series(values, column, time, time_unit=unit)
    if resample:
        return _resampled(series, clock.seconds, clock.origin, resample, name)
    return _even(series, clock.seconds, clock.origin, name)


def series_of(dataset: DataSet, column: str) -> Series:
    """Return one column of a data set of one recording.

    Raises:
        InputError: several recordings, or more columns than one where none is named.
        UnknownNameError: no such column.
    """
    names = [known.name for known in dataset.columns]
    column = column or _only(names, dataset.name)
    if column not in names:
        raise UnknownNameError("column", column, names, dataset.name)
    if len(dataset.recordings) != 1:
        raise ForecasterError(
            "one recording", f"{len(dataset.recordings)}", dataset.name, "Forecast one series at a time"
        )
    recording = dataset.recordings[0]
    values = np.asarray(recording.values[:, names.index(column)], np.float64)
    if recording.time is None:
        return Series(values, column, notes=("no times; even steps between rows are assumed",))
    return _even(Series(values, column, "time"), np.asarray(recording.time, np.float64), 0.0, dataset.name)


def filled(series: Series, season: int) -> tuple[Series, int]:
    """Return the series without holes, and how many rows had no value.

    Up to three rows in a row lie on the line between their neighbours; longer holes, up to two seasons (or twenty
    rows), hold the values a season earlier; of a series with a longer hole only the rows after it are kept.

    Raises:
        InputError: no value at all.
    """
    values = series.values
    gone = np.isnan(values)
    missing = int(gone.sum())
    if missing == len(values):
        raise SeriesError("numbers", "a column without any", f"column {series.column}")
    notes = list(series.notes)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    maximum, start = max(20, 2 * season), 0
    for begin, end in runs:
        if end - begin > maximum or begin == 0:
            start = end
            notes.append(f"only the {len(values) - end:,} rows after a gap of {end - begin:,} rows are used")
    if start >= len(values):
        raise TooFewRowsError(
            f"values in the last {maximum} rows", f"none since row {runs[-1][0]}", f"column {series.column}",
            "Remove the rows without values at the end",
        )  # fmt: skip
    without_holes = values.copy()
    known = np.flatnonzero(~gone)
    line = np.interp(np.arange(len(values)), known, values[known])
    for begin, end in runs:
        for row in range(begin, end):
            before = without_holes[row - season] if season > 1 and row - season >= start else np.nan
            without_holes[row] = line[row] if end - begin <= _SHORT or not np.isfinite(before) else before
    inside = int(gone[start:].sum())
    if inside:
        how = "by linear interpolation" + (", longer gaps from one season before" if season > 1 else "")
        notes.append(f"{inside:,} rows without a value were filled: {how}")
    return replace(series, values=without_holes[start:], notes=tuple(notes)), missing


def _only(columns: list[str], name: str) -> str:
    if len(columns) != 1:
        text = ", ".join(columns[:12]) or "none"
        raise SeriesError("one column of values", text, name, "Choose one with --column")
    return columns[0]


def _csv(path: Path, name: str, column: str, time: str) -> tuple[Floats, NDArray[np.str_]]:
    text = [time] if time else []
    rows = read_csv(path, name=name, time_columns=text, float64_columns=[column], only_columns=[column, *text])
    return rows.wide[column], rows.text[time] if time else np.empty(0, np.str_)


def _parquet_columns(path: Path, name: str) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SeriesError("a whole Parquet file", str(error).splitlines()[0][:120], name) from None


def _parquet(path: Path, name: str, column: str, time: str) -> tuple[Floats, NDArray[np.str_]]:
    halves = parts_of(time, list(pl.read_parquet_schema(path))) or (time,)
    frame = pl.read_parquet(path, columns=[c for c in dict.fromkeys((column, *halves)) if c], use_pyarrow=False)
    kind = frame.schema[column]
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise SeriesError("a column of numbers", str(kind), f"{name} column {column}")
    values = frame[column].cast(pl.Float64).to_numpy().astype(np.float64)
    if not time:
        return values, np.empty(0, np.str_)
    return values, joined_text(time, frame.columns, lambda half: text_of(frame[half]))


def _even(series: Series, seconds: Floats, origin: float, name: str) -> Series:
    """Return rows onto the grid of their own step; rows that are missing become NaN."""
    if len(seconds) < 2:
        return series
    steps = np.diff(seconds)
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0]) + 1
        problem = "the same time twice" if steps[row - 1] == 0 else "a step back"
        raise TimeFormatError(
            "increasing times", problem, f"{name} row {row + 1}, column {series.time}", "Sort the rows"
        )
    step = float(np.median(steps))
    parts = steps / step
    odd = np.abs(parts - np.maximum(np.round(parts), 1)) > _JITTER
    if odd.mean() > _ODD:
        row = int(np.flatnonzero(odd)[0]) + 1
        raise TimeFormatError(
            "rows at even steps", f"steps from {steps.min():g} to {steps.max():g} s, {odd.mean():.0%} of them odd",
            f"{name} row {row + 1}", f"Average them with --resample {step:g}",
        )  # fmt: skip
    places = np.concatenate([[0], np.cumsum(np.maximum(np.round(parts), 1))]).astype(np.int64)
    length = _length(int(places[-1]) + 1, name)
    values = np.full(length, np.nan)
    values[places] = series.values
    notes = [f"a row every {step:g} s"]
    if length > len(seconds):
        notes.append(f"{length - len(seconds):,} rows are absent and count as missing")
    last = origin + float(seconds[-1])
    return replace(series, values=values, step=step, last=last, notes=(*series.notes, *notes))


def _resampled(series: Series, seconds: Floats, origin: float, step: float, name: str) -> Series:
    order = np.argsort(seconds, kind="stable")
    location = np.floor((seconds[order] - seconds[order[0]]) / step).astype(np.int64)
    length = _length(int(location[-1]) + 1, name)
    there = np.isfinite(series.values[order])
    counts = np.bincount(location[there], minlength=length)
    sums = np.bincount(location[there], series.values[order][there], minlength=length)
    values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    last = origin + float(seconds[order[0]]) + step * (length - 1)
    note = f"{len(seconds):,} rows averaged onto {length:,} steps of {step:g} s (--resample)"
    return replace(series, values=values, step=step, last=last, notes=(*series.notes, note))


def _length(rows: int, name: str) -> int:
    if rows > _MOST_ROWS:
        raise TimeFormatError(f"at most {_MOST_ROWS:,} steps", f"{rows:,}", name, "Check the times, or use --resample")
    return rows


@dataclass(frozen=True)
class Referee:
    """A method: rows known and a horizon in, forecasts out.

    Attributes:
        name: for people.
        forecast: shape (rows,), finite, and rows ahead -> shape (horizon,).
    """

    name: str
    forecast: Callable[[Floats, int], Floats]


def referees(season: int) -> list[Referee]:
    """Theta and exponential smoothing for a season of so many rows; 1 for none."""
    return [
        Referee("Theta", lambda values, horizon: theta(values, horizon, season)),
        Referee("exponential smoothing (ETS)", lambda values, horizon: smoothing(values, horizon, season)),
    ]


def season_shape(values: Floats, season: int) -> Floats:
    """Additive seasonal figures, shape (season,), of classical decomposition: means of what a moving mean leaves."""
    rows = len(values)
    if season < 2 or rows < 2 * season + 1:
        return np.zeros(max(season, 1))
    kernel = np.r_[0.5, np.ones(season - 1), 0.5] / season if season % 2 == 0 else np.ones(season) / season
    half = len(kernel) // 2
    rest = values[half : rows - half] - np.convolve(values, kernel, mode="valid")
    location = np.arange(half, rows - half) % season
    figures = np.array([rest[location == k].mean() if (location == k).any() else 0.0 for k in range(season)])
    return np.asarray(figures - figures.mean())


def theta(values: Floats, horizon: int, season: int) -> Floats:
    """Forecast by the Theta method: smoothing with half the slope of the line as drift (Hyndman and Billah, 2003)."""
    rows = len(values)
    figures = season_shape(values, season)
    flat = values - figures[np.arange(rows) % len(figures)]
    alphas = np.linspace(0.05, 0.99, 20)
    level = np.full(len(alphas), flat[0])
    cost = np.zeros(len(alphas))
    for value in flat[1:]:
        error = value - level
        cost += error * error
        level = level + alphas * error
    best = int(np.argmin(cost))
    alpha, x = alphas[best], np.arange(rows) - (rows - 1) / 2
    drift = 0.5 * float(x @ (flat - flat.mean())) / float(x @ x)
    ahead = np.arange(horizon)
    flat_forecast = level[best] + drift * (ahead + (1 - (1 - alpha) ** rows) / alpha)
    return np.asarray(flat_forecast + figures[(rows + ahead) % len(figures)])


# Level, trend, season; damping of the trend (0: no trend). Every combination is run at once.
_GRID = list(itertools.product((0.05, 0.15, 0.3, 0.5, 0.8), (0.01, 0.1, 0.3), (0.02, 0.1, 0.3, 0.6), (0.0, 0.8, 0.95)))


def smoothing(values: Floats, horizon: int, season: int) -> Floats:
    """Additive exponential smoothing, with or without a damped trend and a season, by its error correction form.

    ETS(A,N,N), (A,Ad,N), (A,N,A) and (A,Ad,A) of Hyndman et al. 2008, over a grid of their parameters; the lowest sum
    of squared one-step errors is taken.
    """
    rows, many = len(values), len(_GRID)
    alpha, beta, gamma, damping = (np.array(column) for column in zip(*_GRID, strict=True))
    figures = season_shape(values, season)
    length = len(figures)
    gamma = gamma * (1 - alpha) if length > 1 else np.zeros(many)
    shape = np.tile(figures[:, None], (1, many))
    start = values[: max(2, min(length, rows))]
    level = np.full(many, float((start - figures[np.arange(len(start)) % length]).mean()))
    trend = np.zeros(many)
    cost = np.zeros(many)
    for t, value in enumerate(values):
        moved = level + damping * trend
        location = shape[t % length]
        error = value - moved - location
        cost += error * error
        trend = damping * trend + alpha * beta * error * (damping > 0)
        level = moved + alpha * error
        shape[t % length] = location + gamma * error
    best = int(np.argmin(cost))
    growth = np.cumsum(damping[best] ** np.arange(1, horizon + 1)) if damping[best] else np.zeros(horizon)
    return np.asarray(level[best] + growth * trend[best] + shape[(rows + np.arange(horizon)) % length, best])
