"""How well slots are found: F1 of whole slots, name and both ends right, as CoNLL-2000 counts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from edgewright.nlp.utterance.attributes import tokens
from edgewright.schema.language import Slot


class SlotScore(msgspec.Struct, frozen=True):
    """Counts of slots, and the shares they make."""

    right: int
    found: int
    true: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where there is no slot."""
        return 2 * self.right / max(self.found + self.true, 1)


def score(pairs: Iterable[tuple[str, Sequence[Slot], Sequence[Slot]]]) -> SlotScore:
    """Counts over (text, true slots, found slots).

    Ends are compared by tokens, so that a comma or space at the end of what somebody marked makes no difference.
    """
    right = found = true = 0
    for text, wanted, got in pairs:
        spans = tokens(text)
        first, second = _whole(wanted, spans), _whole(got, spans)
        right, found, true = right + len(first & second), found + len(second), true + len(first)
    return SlotScore(right, found, true)


def _whole(slots: Sequence[Slot], spans: list[tuple[int, int]]) -> set[tuple[str, int, int]]:
    made = set()
    for slot in slots:
        inside = [k for k, (begin, end) in enumerate(spans) if begin < slot.end and slot.begin < end]
        if inside:
            made.add((slot.name, inside[0], inside[-1]))
    return made
