"""`edgewright forecast reorder`: the stock at which to order again, and how often such points were enough."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.output import print_json


@click.command("reorder", epilog="Example: edgewright forecast reorder sales.csv --column sold --lead 48 --service 95")
@click.argument("data", metavar="DATA")
@click.option("--lead", type=click.IntRange(1, 10_000), required=True, help="Lead time: rows from order to delivery.")
@click.option(
    "--service", type=click.FloatRange(0, 100, min_open=True, max_open=True), default=95.0, show_default=True,
    help="Share of lead times in which nothing is to be sold out, in per cent.",
)  # fmt: skip
@click.option("--column", default="", metavar="NAME", help="Column with the demand of each row, if there are several.")
@click.option("--time", default="", metavar="NAME", help="Column with the times; detected by default.")
@click.option("--season", default="", metavar="N[,N]", help="Rows after which the series repeats. [default: detected]")
@click.option("--judge", type=click.IntRange(1), help="Last rows that judge. [default: a quarter]")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(data: str, lead: int, service: float, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's
    """Print the re-order point of a demand in DATA, and the service level that such points had on its last rows.

    The point is the expected demand over the lead time and a margin, which is a quantile of past errors and follows the
    service level: each lead time that is sold out moves it up.
    """
    with loading():
        from edgewright.cli.forecasting.fit import asked_seasons
        from edgewright.language.forecasting.calendar_seasons import choose_seasons
        from edgewright.language.forecasting.reorder import reorder_point, served
        from edgewright.language.forecasting.selection import ForecastRequest
        from edgewright.language.forecasting.series import filled, read_series

    series = read_series(data, column=options["column"], time=options["time"])
    text = options["season"]
    first, _ = filled(series, 1)
    seasons = asked_seasons(text) if text else choose_seasons(first.values, lead, series.step).rows
    whole, _ = filled(series, seasons[-1] if seasons else 1)
    values, request, share = whole.values, ForecastRequest(lead, seasons), service / 100
    judge = options["judge"] or len(values) // 4
    found, now = served(values, len(values) - judge, request, share), reorder_point(values, request, share)
    told = {
        "column": series.column, "lead": lead, "service": service, "expected": now.expected, "point": now.point,
        "judged": len(found.origins), "served": 100 * float(found.served.mean()),
    }  # fmt: skip
    if as_json:
        print_json(told)
        return
    click.echo(f"{series.column}: {now.expected:.4g} expected in {lead} rows; order again at {now.point:.4g}")
    click.echo(
        f"on the last {judge:,} rows such points were enough in {told['served']:.1f} % of {len(found.origins):,} lead "
        f"times that overlap ({service:g} % asked)"
    )
