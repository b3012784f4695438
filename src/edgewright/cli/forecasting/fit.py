"""`edgewright forecast DATA`: a forecaster of one column, chosen by a rolling backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.language.forecasting.series import Series


@click.command("fit", epilog="Example: edgewright forecast load.csv --column kW --horizon 48 --out load.forecaster")
@click.argument("data", metavar="DATA")
@click.option("--horizon", type=click.IntRange(1, 10_000), required=True, help="Number of rows to forecast.")
@click.option("--column", default="", metavar="NAME", help="Column with the values, if there are several.")
@click.option(
    "--time", default="", metavar="NAME", help="Column with the times; detected by name or values by default."
)
@click.option(
    "--time-unit", default="", metavar="UNIT", help="Unit of a time in numbers: s, ms, us, ns, min, h, or d for days."
)
@click.option(
    "--season", default="", metavar="N[,N]", help="Rows after which the series repeats, or none. [default: detected]"
)
@click.option(
    "--levels", default="80,95", show_default=True, metavar="P[,P]", help="Coverage of the intervals, in per cent."
)
@click.option("--resample", type=click.FloatRange(0, min_open=True), help="Average rows to steps of this many seconds.")
@click.option(
    "--chronos", type=click.Path(path_type=Path), metavar="DIR", help="A Chronos model as a further reference."
)
@click.option(
    "--pooled",
    type=click.Path(path_type=Path),
    metavar="POOL|FORECASTER",
    help="Do not fit: use what `forecast pool` learnt on other series, or another forecaster's recursion.",
)
@click.option("--out", type=FILE, help="FILE.forecaster.")
@click.option("--page", type=FILE, help="FILE.html with the chart and tables.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(data: str, horizon: int, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's options
    """Fit a forecaster on one column of DATA (CSV or Parquet) and measure its accuracy.

    Models that fit a microcontroller (seasonal naive, ridge autoregression of about 13 numbers) and reference models
    (Theta, exponential smoothing) are compared in a rolling backtest within DATA. Intervals come from its residuals,
    and later folds measure their coverage. Rows must come at even steps; missing rows are reported.
    """
    from edgewright.cli.forecasting._show import print_fit, told, write_page

    with loading():
        from edgewright.language.forecasting.baselines import chronos, referees
        from edgewright.language.forecasting.pool import is_pool, read_pool
        from edgewright.language.forecasting.selection import About, ForecastRequest, fit_forecaster
        from edgewright.language.forecasting.series import filled, read_series
        from edgewright.language.forecasting.zero_shot import adopt, adopt_pool
        from edgewright.monitor.forecaster import read_forecaster, write_forecaster

    for path in (options["out"], options["page"]):
        if path is not None:
            refuse_existing(path, options["force"])
    levels = levels_of(options["levels"])
    series = read_series(
        data, resample=options["resample"] or 0.0, **{key: options[key] for key in ("column", "time", "time_unit")}
    )
    location = options["pooled"]
    pool = read_pool(location) if location and is_pool(location) else None
    pooled = read_forecaster(location) if location and pool is None else None
    if pool is not None and not options["season"]:
        told_seasons = " and ".join(map(str, pool.seasons)) or "none"
        seasons, found = pool.seasons, f"season of the pool: {told_seasons} rows"
    else:
        seasons, found = _seasons(options["season"], series, horizon)
    whole, missing = filled(series, seasons[-1] if seasons else 1)
    request = ForecastRequest(horizon, seasons, levels)
    about = About(series.column, series.time, series.step, series.last, missing, series.time_unit)
    if pool is not None:
        made = adopt_pool(pool, whole.values, request, about=about)
    elif pooled is not None:
        made = adopt(pooled.spec.model, whole.values, request, name=pooled.spec.name, about=about)
    else:
        others = referees(seasons[0] if seasons else 1)
        others += [chronos(options["chronos"])] if options["chronos"] else []
        made = fit_forecaster(whole.values, request, referees=others, about=about)
    size = 0 if options["out"] is None else write_forecaster(options["out"], made)
    if options["page"] is not None:
        write_page(options["page"], made, whole)
    if as_json:
        answer = told(made, [*whole.notes, found], options["out"], size)
        print_json(answer)
        return
    print_fit(made, whole, found)
    for path in (options["out"], options["page"]):
        if path is not None:
            click.echo(f"wrote {click.format_filename(str(path))}, {path.stat().st_size:,} bytes")


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
