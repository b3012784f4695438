"""What an utterance may be: refused clearly before anything is computed."""

from __future__ import annotations

from edgewright.nlp.utterance.normalise import LONGEST, compose
from edgewright.schema.errors import InputError


def checked(text: str, where: str = "the utterance") -> str:
    """The text, composed (NFC).

    Raises:
        InputError: nothing but space, longer than `LONGEST` code points, or half a character (a lone surrogate).
    """
    if len(text) > LONGEST:
        raise InputError(
            f"at most {LONGEST:,} characters", f"{len(text):,}", where, "An utterance is a sentence or two: cut it"
        )
    if not text.strip():
        raise InputError("some text", "an empty utterance", where)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("text in UTF-8", "bytes that are none, or half a character", where) from None
    return compose(text)
