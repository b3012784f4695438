"""Labels of texts, from descriptions."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.language.embedding import Encoder
from edgewright.language.zero_shot.choice import Chooser, background
from edgewright.language.zero_shot.labels import Labels
from edgewright.schema.errors import InputError

# As utterances on the device.
_LONGEST = 1000


def text_chooser(labels: Labels, encoder: Encoder, shift: float = 0.0) -> Chooser:
    """Labels of texts; what it chooses between are vectors of `encoder`."""
    described, others, around = (
        encoder.encode(list(some)) for some in (labels.descriptions, labels.others, background("text"))
    )
    return Chooser(labels, described, others, around, shift)


def check_texts(texts: Sequence[str], where: str) -> list[str]:
    """Texts without what surrounds them.

    Raises:
        InputError: one without a letter or digit, or longer than 1,000 characters.
    """
    made = []
    for number, text in enumerate(texts, 1):
        one = text.strip()
        place = f"{where} line {number}" if len(texts) > 1 else where
        if not any(c.isalnum() for c in one):
            raise InputError("a text with a word in it", repr(text)[:60], place)
        if len(one) > _LONGEST:
            raise InputError(f"at most {_LONGEST:,} characters", f"{len(one):,}", place)
        made.append(one)
    return made
