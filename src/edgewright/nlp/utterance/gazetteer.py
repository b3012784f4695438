"""Lists of what a slot may hold: the longest entry that the text says wins, in any case and with or without accents."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.nlp.utterance.normalise import normalised
from edgewright.nlp.utterance.tagger import tokens
from edgewright.schema.language import Slot

# Words of an entry; longer ones are never found.
_LONGEST = 12
# Those of ASCII and of full width.
_DIGITS = {chr(zero + k): str(k) for zero in (0x30, 0xFF10) for k in range(10)}


class Gazetteers:
    """Entries of all slots.

    Args:
        lists: slot -> what is said -> what it stands for.

    Attributes:
        entries: folded words -> slot and what they stand for.
        longest: words of the longest entry.
    """

    def __init__(self, lists: Mapping[str, Mapping[str, str]]) -> None:
        self.entries: dict[str, tuple[str, str]] = {}
        self.longest = 0
        for slot, entries in lists.items():
            for text, value in entries.items():
                key = _key(text)
                if key:
                    self.entries.setdefault(key, (slot, value))
                    self.longest = max(self.longest, min(len(tokens(text)), _LONGEST))

    def find(self, text: str) -> tuple[Slot, ...]:
        """Return what of the entries the text says; an s at the end of the last word is overlooked."""
        if not self.entries:
            return ()
        # Signs are none of an entry's ends: they separate.
        spans = [(begin, end) for begin, end in tokens(text) if normalised(text[begin:end]) != " "]
        found, at = [], 0
        while at < len(spans):
            for length in range(min(self.longest, len(spans) - at), 0, -1):
                begin, end = spans[at][0], spans[at + length - 1][1]
                key = _key(text[begin:end])
                hit = self.entries.get(key) or (self.entries.get(key[:-1]) if key.endswith("s") else None)
                if hit:
                    found.append(
                        Slot(name=hit[0], begin=begin, end=end, text=text[begin:end], value=hit[1], by="gazetteer")
                    )
                    at += length - 1
                    break
            at += 1
        return tuple(found)


def _key(text: str) -> str:
    # Digits are kept apart here: "7 up" is no "9 up".
    digits = "".join(_DIGITS.get(c, "") for c in text)
    plain = normalised(text).strip()
    return f"{plain}#{digits}" if digits else plain
