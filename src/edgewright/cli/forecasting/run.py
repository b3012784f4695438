"""`edgewright forecast run`: goes on with new rows, as the device does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from edgewright.monitor.forecaster import Forecaster, ForecasterFile


@click.command("run", epilog="Example: edgewright forecast run load.forecaster --csv today.csv --horizon 24")
@click.argument("file", metavar="FORECASTER", type=click.Path(path_type=Path))
@click.option("--csv", "csv_path", metavar="FILE", help="Rows after those that it was fitted on ('-': standard input).")
@click.option("--horizon", type=click.IntRange(min=1), help="Number of rows to forecast. [default: all]")
@click.option("--every", type=click.IntRange(min=1), help="Forecast after every N rows, not only at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of a table.")
def command(file: Path, csv_path: str | None, horizon: int | None, every: int | None, as_json: bool) -> None:
    """Forecast with the base install, by default from the rows that the forecaster was fitted on.

    A missing row or value counts as it was forecast; the output says how many there were, and how many of them came
    last. Rows that the forecaster already knows are skipped by their time.
    """
    from edgewright.cli.forecasting._rows import coming_rows
    from edgewright.monitor.forecaster import read_forecaster

    made = read_forecaster(file)
    running, spec = made.start(), made.spec
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
                _print(made, running, ahead, (count, lost), last, as_json)
                fresh = False
    if fresh:
        _print(made, running, ahead, (count, lost), last, as_json)


def _print(
    made: ForecasterFile, running: Forecaster, ahead: int, seen: tuple[int, int], last: float, as_json: bool
) -> None:
    """One forecast; `seen` are the rows so far, and those of them that were forecast."""
    from edgewright.cli.forecasting._show import rows_of

    coming = running.forecast(ahead)
    count, lost = seen
    rows = rows_of(made.spec, coming, last, ahead)
    if as_json:
        record = {"rows": count, "missing": lost, "stale": coming.stale, "forecast": rows}
        click.echo(msgspec.json.encode(record).decode())
        return
    stale = f", the last {coming.stale:,} among them" if coming.stale else ""
    missing = f"; {lost:,} had no value and use the forecast{stale}" if lost else ""
    click.echo(f"{made.spec.column} after {count:,} new rows{missing}")
    names = list(rows[0])
    click.echo("  " + "  ".join(f"{name:>12}" for name in names))
    for row in rows:
        click.echo("  " + "  ".join(f"{row[name]:>12}" for name in names))
