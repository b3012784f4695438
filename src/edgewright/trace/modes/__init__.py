"""Learning modes: the same record in different ways. Every file offers `MODE`; what several of them share is here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.core.errors import UnknownNameError
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.records import Block
from edgewright.trace.blocks.view_blocks import ViewBlock


@dataclass(frozen=True)
class Mode:
    """A learning mode; its key in `MODES` is its name.

    Attributes:
        rank: place in menus.
        title: as menus show it.
        purpose: one sentence.
        blocks: record -> blocks. For 'compare' and 'what-if' these say what can be compared or changed, with the
            commands; the comparison itself needs further runs and is made by `trace/compare.py` and the pipeline.
        page: what only the page shows, above the blocks.
    """

    rank: int
    title: str
    purpose: str
    blocks: Callable[[Trace], tuple[Block, ...]]
    page: Callable[[Trace], Sequence[ViewBlock]] | None = None


def mode(name: str) -> Mode:
    """Return the mode of this name.

    Raises:
        UnknownNameError: listing the known modes.
    """
    known = modes()
    if name not in known:
        raise UnknownNameError("learning mode", name, known, "--mode")
    return known[name]


def modes() -> dict[str, Mode]:
    """All modes by name, in the order of menus."""
    known: dict[str, Mode] = catalogue.merged(__name__, "MODES")
    return dict(sorted(known.items(), key=lambda item: item[1].rank))
