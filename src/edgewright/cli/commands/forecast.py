"""Forecast a series: `forecast DATA` fits a forecaster (as `forecast fit DATA` does); run and score use it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option, print_ahead
from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.text import table, wrote
from edgewright.core.errors import DONE, InputError, OptionFormatError, SeriesError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgewright.language.forecasting.series import Series
    from edgewright.monitor.forecaster import Forecast, Forecaster, ForecasterFile
    from edgewright.monitor.records import ForecasterSpec

EXAMPLE = "load.csv --column kW --time time --horizon 48 --out load.forecaster"


_HEIGHT, _NARROW, _WIDE = 12, 60, 110


def summary(forecaster: ForecasterFile, notes: list[str], out: Path | None, size: int) -> dict[str, Any]:
    """Return what was fitted, as JSON has it."""
    spec = msgspec.to_builtins(forecaster.spec)
    coming = forecaster.start().forecast(forecaster.spec.horizon)
    keys = ("name", "column", "seasons", "horizon", "rows", "missing", "reason", "tried", "coverage", "model")
    return {
        "file": None if out is None else str(out), "bytes": size, "notes": notes, **{key: spec[key] for key in keys},
        "forecast": rows_of(forecaster.spec, coming, forecaster.spec.last, forecaster.spec.horizon),
    }  # fmt: skip


def rows_of(spec: ForecasterSpec, coming: Forecast, last: float, horizon: int) -> list[dict[str, Any]]:
    """One object a row ahead."""
    rows = []
    for h in range(horizon):
        row: dict[str, Any] = {"ahead": h + 1}
        if spec.step:
            row["time"] = when(last + spec.step * (h + 1))
        row["forecast"] = float(f"{coming.middle[h]:.7g}")
        for k, level in enumerate(spec.levels):
            row[f"low_{level:g}"] = float(f"{coming.low[k, h]:.7g}")
            row[f"high_{level:g}"] = float(f"{coming.high[k, h]:.7g}")
        rows.append(row)
    return rows


def when(seconds: float) -> str | float:
    """Return an epoch as ISO text; a counter as it is."""
    if not 1e8 < seconds < 1e11:
        return seconds
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def fit_lines(forecaster: ForecasterFile, series: Series, season: str) -> Iterator[str]:
    """Yield the backtest's table, the choice, the coverage and a plot."""
    spec = forecaster.spec
    yield f"{spec.column}: {spec.rows:,} rows; {'; '.join(series.notes)}"
    yield season
    yield f"rolling backtest, {spec.horizon} rows ahead, within these rows:"
    yield f"  {'':<34} {'MASE':>6}  {'95 % interval':<15} {'sMAPE':>6}  numbers"
    for candidate in spec.candidates:
        if candidate.why:
            yield f"  {candidate.name:<34} skipped: {candidate.why}"
            continue
        span = f"{candidate.low:.3f} to {candidate.high:.3f}"
        size = f"{candidate.numbers or '-'}" if candidate.device else "referee"
        mark = "*" if candidate.name == spec.name else " "
        yield f"{mark} {candidate.name:<34} {candidate.mase:6.3f}  {span:<15} {candidate.smape:6.2f}  {size}"
    yield f"* {spec.name}: {spec.reason}"
    for interval in spec.coverage:
        share = f"covered {100 * interval.inside / max(1, interval.of):.0f} % of {interval.of:,} values of later folds"
        yield f"{interval.level:g} % interval{f' {share}' if interval.of else ': too few rows to check its coverage'}"
    numbers, state = sum(len(part.weights) + 1 for part in spec.model.parts), 4 * len(forecaster.state)
    intervals = forecaster.widths.nbytes
    yield f"on a device: {numbers} numbers, {state:,} bytes of state, {intervals:,} bytes of intervals"
    coming = forecaster.start().forecast(spec.horizon)
    if text := _plot(spec, coming, series):
        yield text


def _plot(spec: ForecasterSpec, coming: Forecast, series: Series) -> str:
    from edgewright.trace.blocks.terminal import plot, plot_text
    from edgewright.trace.blocks.view_blocks import Curve

    before = min(len(series.values), max(3 * spec.horizon, 2 * max(spec.seasons, default=1), 24))
    ahead = [float(h + 1) for h in range(spec.horizon)]
    past = zip(map(float, range(-before + 1, 1)), series.values[-before:].tolist(), strict=True)
    curves = {"forecast": coming.middle}
    if spec.levels:
        curves |= {f"{spec.levels[0]:g} % {end}": part[0] for end, part in (("low", coming.low), ("high", coming.high))}
    lines = (Curve(name, tuple(zip(ahead, values.tolist(), strict=True))) for name, values in curves.items())
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower()
    width = max(_NARROW, min(_WIDE, shutil.get_terminal_size().columns - 1))
    chart = plot(
        [Curve(spec.column, tuple(past)), *lines], width=width, height=_HEIGHT, unicode="utf" in encoding,
        x_name="rows from the last one",
    )  # fmt: skip
    return plot_text(chart)


@declare(epilog="Example: edgewright forecast load.csv --column kW --horizon 48 --out load.forecaster")
def fit(
    *,
    data: str = argument(metavar="DATA"),
    horizon: int = option(type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast."),
    column: str = option(metavar="NAME", help="Column with the values, if there are several."),
    time: str = option(metavar="NAME", help="Column with the times; detected by name or values by default."),
    time_unit: str = option(metavar="UNIT", help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days."),
    season: str = option(metavar="N[,N]", help="Rows after which the series repeats, or none. [default: detected]"),
    resample: float | None = option(
        type=click.FloatRange(0, min_open=True), help="Average rows to steps of this many seconds."
    ),
    pooled: Path | None = option(
        metavar="POOL|FORECASTER",
        help="Do not fit: use what `forecast pool` learnt on other series, or another forecaster's recursion.",
    ),
    out: Path | None = option(type=FILE, help="FILE.forecaster."),
    force: bool = option(help="Replace existing files."),
) -> Result:
    """Fit a forecaster on one column of DATA (CSV or Parquet) and measure its accuracy.

    Models that fit a microcontroller (seasonal naive, ridge autoregression of about 13 numbers) and reference models
    (Theta, exponential smoothing) are compared in a rolling backtest within DATA. Intervals come from its residuals,
    and later folds measure their coverage. Rows must come at even steps; missing rows are reported.
    """
    with loading():
        from edgewright.language.forecasting.pool import is_pool, read_pool
        from edgewright.language.forecasting.selection import About, ForecastRequest, adopt, adopt_pool, fit_forecaster
        from edgewright.language.forecasting.series import filled, read_series, referees
        from edgewright.monitor.forecaster import read_forecaster, write_forecaster

    if out is not None:
        refuse_existing(out, force)
    series = read_series(data, resample=resample or 0.0, column=column, time=time, time_unit=time_unit)
    pool = read_pool(pooled) if pooled and is_pool(pooled) else None
    adopted = read_forecaster(pooled) if pooled and pool is None else None
    if pool is not None and not season:
        seasons, why = pool.seasons, f"season of the pool: {' and '.join(map(str, pool.seasons)) or 'none'} rows"
    else:
        seasons, why = _seasons(season, series, horizon)
    whole, missing = filled(series, seasons[-1] if seasons else 1)
    request = ForecastRequest(horizon, seasons)
    about = About(series.column, series.time, series.step, series.last, missing, series.time_unit)
    if pool is not None:
        forecaster = adopt_pool(pool, whole.values, request, about=about)
    elif adopted is not None:
        forecaster = adopt(adopted.spec.model, whole.values, request, name=adopted.spec.name, about=about)
    else:
        others = referees(seasons[0] if seasons else 1)
        forecaster = fit_forecaster(whole.values, request, referees=others, about=about)
    size = 0 if out is None else write_forecaster(out, forecaster)
    written = [] if out is None else [f"{wrote(out)}, {size:,} bytes"]
    record = summary(forecaster, [*whole.notes, why], out, size)
    return Result(record, [*fit_lines(forecaster, whole, why), *written])


def asked_seasons(text: str) -> tuple[int, ...]:
    """Seasons as somebody names them, ascending; none for 'none'.

    Raises:
        InputError: for what are none.
    """
    if text.strip().lower() == "none":
        return ()
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 2 <= int(part) <= 100_000 for part in parts) or len(parts) > 2:
        raise OptionFormatError("one or two numbers of rows, such as 24,168, or none", repr(text), "--season")
    return tuple(sorted({int(part) for part in parts}))


def _seasons(text: str, series: Series, horizon: int) -> tuple[tuple[int, ...], str]:
    """Return the seasons and a sentence that says where they are from."""
    from edgewright.language.forecasting.calendar_seasons import choose_seasons
    from edgewright.language.forecasting.series import filled

    if text:
        requested = asked_seasons(text)
        if not requested:
            return (), "no season (--season none)"
        return requested, f"season of {' and '.join(map(str, requested))} rows (--season)"
    chosen = choose_seasons(filled(series, 1)[0].values, horizon, series.step)
    return chosen.rows, chosen.reason


@declare(example="load.forecaster --csv today.csv --horizon 24", json="Print JSON lines instead of a table.")
def run(
    *,
    file: Path = argument(metavar="FORECASTER"),
    csv_path: str | None = option(
        "--csv", metavar="FILE", help="Rows after those that it was fitted on ('-': standard input)."
    ),
    horizon: int | None = option(type=click.IntRange(min=1), help="Number of rows to forecast. [default: all]"),
    every: int | None = option(type=click.IntRange(min=1), help="Forecast after every N rows, not only at the end."),
) -> Stream:
    """Forecast with the base install, by default from the rows that the forecaster was fitted on.

    A missing row or value counts as it was forecast; the output says how many there were, and how many of them came
    last. Rows that the forecaster already knows are skipped by their time.
    """
    from edgewright.cli.forecast_rows import coming_rows
    from edgewright.monitor.forecaster import read_forecaster

    forecaster = read_forecaster(file)
    running, spec = forecaster.start(), forecaster.spec
    ahead = horizon or spec.horizon
    running.forecast(ahead)
    count, lost, last, fresh = 0, 0, spec.last, True
    if csv_path:
        path = Path(csv_path) if csv_path != "-" else None
        for value, time in coming_rows(spec, path or sys.stdin, "standard input" if path is None else path.name):
            running.push(value)
            # `stale` is above zero where the value could not be used and was forecast.
            count, lost, last, fresh = count + 1, lost + (running.stale > 0), time, True
            if every and count % every == 0:
                yield _forecast(forecaster, running, ahead, (count, lost), last)
                fresh = False
    if fresh:
        yield _forecast(forecaster, running, ahead, (count, lost), last)
    return DONE


def _forecast(
    forecaster: ForecasterFile, running: Forecaster, ahead: int, seen: tuple[int, int], last: float
) -> Result:
    """Return one forecast; `seen` are the rows so far, and those of them that were forecast."""
    coming = running.forecast(ahead)
    count, lost = seen
    rows = rows_of(forecaster.spec, coming, last, ahead)
    record = {"rows": count, "missing": lost, "stale": coming.stale, "forecast": rows}
    stale = f", the last {coming.stale:,} among them" if coming.stale else ""
    missing = f"; {lost:,} had no value and use the forecast{stale}" if lost else ""
    names = list(rows[0])
    cells = [[str(row[name]) for name in names] for row in rows]
    lines = table(names, cells, frozenset(range(len(names))))
    text = [f"{forecaster.spec.column} after {count:,} new rows{missing}", *(f"  {line}" for line in lines)]
    return Result(record, text, compact=True)


_SUFFIXES = (".csv", ".parquet")


@declare(example="m/ --season 24,168 --horizon 48 --out hourly.pool")
def pool(
    *,
    folder: Path = argument(metavar="FOLDER"),
    season: str = option(required=True, metavar="N[,N]", help="Rows after which the series repeat, or none."),
    horizon: int = option(type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast."),
    column: str = option(metavar="NAME", help="Column with the values, if there are several."),
    time: str = option(metavar="NAME", help="Column with the times; detected by name or values by default."),
    out: Path = option(type=FILE, required=True, help="FILE.pool."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Learn recursions from the series in FOLDER (one CSV or Parquet file each), all with the same step.

    `edgewright forecast NEW.csv --pooled FILE.pool` then forecasts a series without fitting on it; the series' own past
    only decides how the recursions are weighted.
    """
    with loading():
        from edgewright.language.forecasting.pool import fit_pool, write_pool

    refuse_existing(out, force)
    seasons = asked_seasons(season)
    series, notes = _series(folder, column, time, seasons)
    pool = fit_pool(series, seasons, horizon, name=out.stem, ahead=print_ahead)
    size = write_pool(out, pool)
    return Result(
        {"file": str(out), "bytes": size, "notes": notes, **msgspec.to_builtins(pool)},
        [
            *(f"note: {note}" for note in notes),
            f"trained on {pool.series:,} of {len(series):,} series, {pool.rows:,} rows",
            *(f"  {row.name:<34} {row.series:>6,} series, {len(row.weights)} weights" for row in pool.members),
            f"wrote {click.format_filename(str(out))}, {size:,} bytes",
        ],
    )


def _series(
    folder: Path, column: str, time: str, seasons: tuple[int, ...]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return the series of a folder, holes filled, and which files were left out."""
    from edgewright.language.forecasting.series import filled, read_series

    if not folder.is_dir():
        raise SeriesError("a folder of series", "a file" if folder.exists() else "no such folder", str(folder))
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    kept, notes, steps = [], [], dict[float, str]()
    for path in files:
        try:
            series = read_series(str(path), column=column, time=time)
            whole, _ = filled(series, seasons[-1] if seasons else 1)
        except InputError as error:
            notes.append(f"skipped {path.name}: {error}")
            continue
        if series.step:
            steps.setdefault(series.step, path.name)
        kept.append(whole.values)
    if not kept:
        raise SeriesError("a folder of series (.csv, .parquet)", notes[0] if notes else "none in it", str(folder))
    if len(steps) > 1:
        text = " and ".join(f"{step:g} s ({name})" for step, name in list(steps.items())[:2])
        raise SeriesError("series at the same steps", text, str(folder), "Pool only series with the same step")
    return kept, notes


class _Forecast(FolderOfCommands):
    """A group whose first word may be a file: `forecast DATA` is `forecast fit DATA`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `fit` in front of what is no command."""
        if args and args[0] not in ("--help", "-h", *self.list_commands(ctx), "reorder", "score"):
            args = ["fit", *args]
        return super().parse_args(ctx, args)


command = _Forecast(__name__)
