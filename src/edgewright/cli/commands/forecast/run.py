"""`edgewright forecast run`: goes on with new rows, as the device does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.cli.text import table
from edgewright.schema.errors import DONE

if TYPE_CHECKING:
    from edgewright.monitor.forecaster import Forecaster, ForecasterFile


@declare(example="load.forecaster --csv today.csv --horizon 24", json="Print JSON lines instead of a table.")
def command(
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
    from edgewright.cli.commands.forecast._show import rows_of

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
