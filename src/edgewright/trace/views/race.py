"""A race on the terminal while it goes on: a row an entrant, the best first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgewright.core.formatting import duration_text
from edgewright.schema.race import EntrantRecord, RaceRecord
from edgewright.trace.sections.race import HEADERS, cells

_FIGURES = range(2, 5)


@contextmanager
def shown_race(console: Console) -> Iterator[Callable[[RaceRecord], None] | None]:
    """Give a function that shows a race as a table, which the next call replaces; None where there is no terminal.

    Below the table stands how much time is left, until the race has ended.
    """
    if not console.is_terminal:
        yield None
        return
    with Live(console=console, auto_refresh=False) as live:
        table = Table()

        def show(race: RaceRecord) -> None:
            nonlocal table
            table = race_table(race.entrants)
            live.update(Group(table, Text(_time_left(race))), refresh=True)

        yield show
        live.update(table, refresh=True)


def _time_left(race: RaceRecord) -> str:
    left = duration_text(max(0, round(race.budget_s - race.cpu_seconds)))
    return f"at most {left} of CPU time left; Ctrl-C takes the best so far"


def race_table(entrants: Sequence[EntrantRecord]) -> Table:
    """Return the table of the entrants that were measured."""
    *figures, last = HEADERS
    table = Table(box=None, pad_edge=False)
    for index, header in enumerate(figures):
        table.add_column(header, justify="right" if index in _FIGURES else "left", no_wrap=True)
    table.add_column(_giving_way(last))
    for entrant in entrants:
        if entrant.score is not None:
            *of_entrant, became = cells(entrant)
            table.add_row(*of_entrant, _giving_way(became))
    return table


def _giving_way(text: str) -> Text:
    """Return a text that is cut where the terminal is narrow, so that figures are whole."""
    return Text(text, no_wrap=True, overflow="ellipsis")
