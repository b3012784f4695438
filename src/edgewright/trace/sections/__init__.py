"""Sections of a record: every file offers `SECTIONS`, which build blocks for the terminal and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.view_blocks import ViewBlock


@dataclass(frozen=True)
class Exported:
    """What a page is made from besides the record.

    Attributes:
        graph: of the exported float model; None where it is not at hand.
        room: bytes that the page may still take.
        size: bytes that blocks take on the page.
    """

    graph: Graph | None = None
    room: int = 0
    size: Callable[[Sequence[ViewBlock]], int] = len


@dataclass(frozen=True)
class Section:
    """A section of the page; its key in `SECTIONS` is its anchor.

    Attributes:
        rank: the lower, the further up.
        title: heading.
        blocks: of the record; none where the run has no such part.
        missing: one sentence in place of the section when it has none; empty leaves the section out.
        page: what only the page shows, above the blocks.
        last: made when all other sections are, in the room that they leave.
        folds: whether the page shows its title and first sentence alone until it is opened.
        tab: mode behind whose tab the page has one for this section, made when all else is; empty for none.
    """

    rank: int
    title: str
    blocks: Callable[[Trace], Sequence[ViewBlock]]
    missing: str = ""
    page: Callable[[Trace, Exported], Sequence[ViewBlock]] | None = None
    last: bool = False
    folds: bool = True
    tab: str = ""

    def page_blocks(self, trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
        """Build all that the page shows."""
        own = () if self.page is None else self.page(trace, exported)
        return (*own, *self.blocks(trace))


def sections() -> dict[str, Section]:
    """Return all sections by anchor, in the order of the page."""
    known: dict[str, Section] = catalogue.merged(__name__, "SECTIONS")
    return dict(sorted(known.items(), key=lambda item: item[1].rank))
