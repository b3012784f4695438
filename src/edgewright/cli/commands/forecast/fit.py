"""`edgewright forecast DATA`: a forecaster of one column, chosen by a rolling backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.text import wrote
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.language.forecasting.series import Series


@declare(epilog="Example: edgewright forecast load.csv --column kW --horizon 48 --out load.forecaster")
def command(
    *,
    data: str = argument(metavar="DATA"),
    horizon: int = option(type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast."),
    column: str = option(metavar="NAME", help="Column with the values, if there are several."),
    time: str = option(metavar="NAME", help="Column with the times; detected by name or values by default."),
    time_unit: str = option(metavar="UNIT", help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days."),
    season: str = option(metavar="N[,N]", help="Rows after which the series repeats, or none. [default: detected]"),
    levels: str = option(default="80,95", metavar="P[,P]", help="Coverage of the intervals, in per cent."),
    resample: float | None = option(
        type=click.FloatRange(0, min_open=True), help="Average rows to steps of this many seconds."
    ),
    chronos: Path | None = option(metavar="DIR", help="A Chronos model as a further reference."),
    pooled: Path | None = option(
        metavar="POOL|FORECASTER",
        help="Do not fit: use what `forecast pool` learnt on other series, or another forecaster's recursion.",
    ),
    out: Path | None = option(type=FILE, help="FILE.forecaster."),
    page: Path | None = option(type=FILE, help="FILE.html with the chart and tables."),
    force: bool = option(help="Replace existing files."),
) -> Result:
    """Fit a forecaster on one column of DATA (CSV or Parquet) and measure its accuracy.

    Models that fit a microcontroller (seasonal naive, ridge autoregression of about 13 numbers) and reference models
    (Theta, exponential smoothing) are compared in a rolling backtest within DATA. Intervals come from its residuals,
    and later folds measure their coverage. Rows must come at even steps; missing rows are reported.
    """
    from edgewright.cli.commands.forecast._show import fit_lines, summary, write_page

    with loading():
        from edgewright.language.forecasting.baselines import chronos as chronos_referee
        from edgewright.language.forecasting.baselines import referees
        from edgewright.language.forecasting.pool import is_pool, read_pool
        from edgewright.language.forecasting.selection import About, ForecastRequest, fit_forecaster
        from edgewright.language.forecasting.series import filled, read_series
        from edgewright.language.forecasting.zero_shot import adopt, adopt_pool
        from edgewright.monitor.forecaster import read_forecaster, write_forecaster

    files = [path for path in (out, page) if path is not None]
    for path in files:
        refuse_existing(path, force)
    shares = levels_of(levels)
    series = read_series(data, resample=resample or 0.0, column=column, time=time, time_unit=time_unit)
    pool = read_pool(pooled) if pooled and is_pool(pooled) else None
    adopted = read_forecaster(pooled) if pooled and pool is None else None
    if pool is not None and not season:
        seasons, why = pool.seasons, f"season of the pool: {' and '.join(map(str, pool.seasons)) or 'none'} rows"
    else:
        seasons, why = _seasons(season, series, horizon)
    whole, missing = filled(series, seasons[-1] if seasons else 1)
    request = ForecastRequest(horizon, seasons, shares)
    about = About(series.column, series.time, series.step, series.last, missing, series.time_unit)
    if pool is not None:
        forecaster = adopt_pool(pool, whole.values, request, about=about)
    elif adopted is not None:
        forecaster = adopt(adopted.spec.model, whole.values, request, name=adopted.spec.name, about=about)
    else:
        others = referees(seasons[0] if seasons else 1)
        others += [chronos_referee(chronos)] if chronos else []
        forecaster = fit_forecaster(whole.values, request, referees=others, about=about)
    size = 0 if out is None else write_forecaster(out, forecaster)
    if page is not None:
        write_page(page, forecaster, whole)
    written = [f"{wrote(path)}, {path.stat().st_size:,} bytes" for path in files]
    record = summary(forecaster, [*whole.notes, why], out, size)
    return Result(record, [*fit_lines(forecaster, whole, why), *written])


def levels_of(text: str) -> tuple[float, ...]:
    """Return levels of intervals, in per cent.

    Raises:
        InputError: for what are none.
    """
    try:
        levels = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        levels = ()
    if not levels or len(levels) > 16 or not all(0 < level < 100 for level in levels):
        raise InputError("per cent between 0 and 100, such as 80,95", repr(text), "--levels")
    return levels


def asked_seasons(text: str) -> tuple[int, ...]:
    """Seasons as somebody names them, ascending; none for 'none'.

    Raises:
        InputError: for what are none.
    """
    if text.strip().lower() == "none":
        return ()
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 2 <= int(part) <= 100_000 for part in parts) or len(parts) > 2:
        raise InputError("one or two numbers of rows, such as 24,168, or none", repr(text), "--season")
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
