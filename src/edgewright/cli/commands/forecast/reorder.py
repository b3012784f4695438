"""`edgewright forecast reorder`: the stock at which to order again, and how often such points were enough."""

from __future__ import annotations

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading


@declare(example="sales.csv --column sold --lead 48 --service 95")
def command(
    *,
    data: str = argument(metavar="DATA"),
    lead: int = option(type=click.IntRange(1, 10_000), required=True, help="Lead time: rows from order to delivery."),
    service: float = option(
        type=click.FloatRange(0, 100, min_open=True, max_open=True), default=95.0,
        help="Share of lead times in which nothing is to be sold out, in per cent.",
    ),
    column: str = option(metavar="NAME", help="Column with the demand of each row, if there are several."),
    time: str = option(metavar="NAME", help="Column with the times; detected by default."),
    season: str = option(metavar="N[,N]", help="Rows after which the series repeats. [default: detected]"),
    judge: int | None = option(type=click.IntRange(1), help="Last rows that judge. [default: a quarter]"),
) -> Result:  # fmt: skip
    """Print the re-order point of a demand in DATA, and the service level that such points had on its last rows.

    The point is the expected demand over the lead time and a margin, which is a quantile of past errors and follows the
    service level: each lead time that is sold out moves it up.
    """
    with loading():
        from edgewright.cli.commands.forecast.fit import asked_seasons
        from edgewright.language.forecasting.calendar_seasons import choose_seasons
        from edgewright.language.forecasting.reorder import reorder_point, served
        from edgewright.language.forecasting.selection import ForecastRequest
        from edgewright.language.forecasting.series import filled, read_series

    series = read_series(data, column=column, time=time)
    first, _ = filled(series, 1)
    seasons = asked_seasons(season) if season else choose_seasons(first.values, lead, series.step).rows
    whole, _ = filled(series, seasons[-1] if seasons else 1)
    values, request, share = whole.values, ForecastRequest(lead, seasons), service / 100
    judge = judge or len(values) // 4
    service_seen, now = served(values, len(values) - judge, request, share), reorder_point(values, request, share)
    record = {
        "column": series.column, "lead": lead, "service": service, "expected": now.expected, "point": now.point,
        "judged": len(service_seen.origins), "served": 100 * float(service_seen.served.mean()),
    }  # fmt: skip
    return Result(
        record,
        [
            f"{series.column}: {now.expected:.4g} expected in {lead} rows; order again at {now.point:.4g}",
            f"on the last {judge:,} rows such points were enough in {record['served']:.1f} % of "
            f"{len(service_seen.origins):,} lead times that overlap ({service:g} % asked)",
        ],
    )
