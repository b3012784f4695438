"""`edgewright coach progress`: what a learner's log says, day by day."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json


@declare("progress", epilog="Example: edgewright coach progress my-log")
def command(
    *,
    log: Path = argument(metavar="FOLDER"),
    as_json: bool = option("--json", help="Print the days as JSON."),
) -> None:
    """Print the days of a log that `coach listen --log` keeps: words without a mistake, and the phones to practise."""
    with loading():
        from edgewright.language.pronunciation.log import days, readings

    found = days(readings(log))
    if as_json:
        print_json(found)
        return
    click.echo("day         sentences  words  right  to practise")
    for day in found:
        often = ", ".join(f"{phone} (like {instead}, {count})" for phone, instead, count in day.mistakes)
        click.echo(f"{day.day}  {day.readings:>9}  {day.words:>5}  {100 * day.right:>3.0f} %  {often}".rstrip())
