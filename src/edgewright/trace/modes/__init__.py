"""Learning modes: the same record told in different ways. Every file offers `MODE`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgewright.core import catalogue
from edgewright.schema.lesson import Block
from edgewright.schema.trace import Trace


@dataclass(frozen=True)
class Mode:
    """The one object `MODE` of a mode's file; dashes in its name are underscores in the file's.

    Attributes:
        rank: place in menus.
        title: as menus show it.
        purpose: one sentence.
        tell: record -> blocks. For 'compare' and 'what-if' these say what can be compared or changed, with the
            commands; the comparison itself needs further runs and is made by `trace/compare.py` and the pipeline.
    """

    rank: int
    title: str
    purpose: str
    tell: Callable[[Trace], tuple[Block, ...]]


def mode(name: str) -> Mode:
    """Return the mode of this name.

    Raises:
        UnknownNameError: listing the known modes.
    """
    found: Mode = catalogue.find(__name__, name.replace("-", "_"), "MODE", "learning mode", "--mode")
    return found


def modes() -> dict[str, Mode]:
    """All modes by name, in the order of menus."""
    found = {name.replace("_", "-"): mode(name) for name in catalogue.listing(__name__, "MODE")}
    return dict(sorted(found.items(), key=lambda item: item[1].rank))
