"""`edgewright coach progress`: what a learner's log says, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgewright.cli.command import Result, argument, declare
from edgewright.cli.interrupt import loading


@declare(example="my-log")
def command(
    *,
    log: Path = argument(metavar="FOLDER"),
) -> Result:
    """Print the days of a log that `coach listen --log` keeps: words without a mistake, and the phones to practise."""
    with loading():
        from edgewright.language.pronunciation.log import days, readings

    practised = days(readings(log))

    def text() -> Iterator[str]:
        yield "day         sentences  words  right  to practise"
        for day in practised:
            often = ", ".join(f"{phone} (like {instead}, {count})" for phone, instead, count in day.mistakes)
            yield f"{day.day}  {day.readings:>9}  {day.words:>5}  {100 * day.right:>3.0f} %  {often}".rstrip()

    return Result(practised, text())
