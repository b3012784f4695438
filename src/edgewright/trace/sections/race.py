"""Race: the pipelines that were compared before the run, the best first, and why one was chosen."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.schema.race import RaceRecord
from edgewright.trace.race_view import HEADERS, cells, choice, compared
from edgewright.trace.sections import Section
from edgewright.trace.view_blocks import Fold, Row, Table, ViewBlock, line, row

_FIGURES = ("flash", "RAM", "CPU time")


def race_blocks(record: RaceRecord | None) -> Sequence[ViewBlock]:
    """Build the choice, and a folded table of the entrants that were measured."""
    if record is None:
        return ()
    rows: list[Row] = [
        row(*cells(entrant), kind="best" if entrant.name == record.chosen else "")
        for entrant in record.entrants
        if entrant.score is not None
    ]
    heads = tuple(f"#{head}" if head in _FIGURES else head for head in HEADERS)
    table = Table("Pipelines that raced, the best first", heads, rows, anchor="race-entrants")
    return (line(choice(record)), Fold(f"All {len(rows)} pipelines", (line(compared(record), "quiet"), table)))


SECTION = Section(15, "Race", lambda trace: race_blocks(trace.race))
