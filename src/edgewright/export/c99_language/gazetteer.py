"""Gazetteers of `nlp/utterance/gazetteer` as C99: sorted entries, the longest that the text says wins."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import literal
from edgewright.nlp.utterance.gazetteer import Gazetteers

C = parts(__file__, "gazetteer.c")


def gazetteers(found: Gazetteers, slots: Mapping[str, int]) -> str:
    """Return the block of C; the functions of `letters` and `hashing` are expected before it.

    Args:
        found: with an entry at least.
        slots: numbers of their names.
    """
    entries = sorted((key.encode(), slot, value) for key, (slot, value) in found.entries.items())
    rows = [f"    {{{text(key.decode())}, {text(value)}, {slots[slot]}}}" for key, slot, value in entries]
    numbers = {"count": len(entries), "entries": ",\n".join(rows), "longest": found.longest}
    return filled(C["functions"], **numbers)


def key_room(found: Gazetteers) -> int:
    """Return bytes of an entry and its plural; a longer run of words is none."""
    return max(len(key.encode()) for key in found.entries) + 8


def text(given: str) -> str:
    """Return a string constant in which @ is no mark of the prefix."""
    return literal(given).replace("@", "\\100")
