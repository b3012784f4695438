"""Any sentence as a prompt: phones of its words from a dictionary, those of other words as espeak-ng says them."""

from __future__ import annotations

from pathlib import Path

from edgewright.language.pronunciation.mutation import Words
from edgewright.language.pronunciation.phones import SILENCE, read_lexicon
from edgewright.language.pronunciation.speech import say
from edgewright.language.pronunciation.takes import split_words
from edgewright.schema.errors import InputError

_VOICE = "en-us"


def sentence(text: str, lexicon: Path | None = None) -> tuple[tuple[str, ...], Words]:
    """Return the words of a sentence and their pronunciations.

    Raises:
        InputError: no word, or one that neither the dictionary nor espeak-ng can say.
    """
    words = split_words(text)
    known = read_lexicon(lexicon) if lexicon is not None else {}
    if not words:
        raise InputError("a sentence", repr(text), "the prompt")
    return words, tuple(known[word] if word in known else (_spoken(word),) for word in words)


def _spoken(word: str) -> tuple[int, ...]:
    phones = tuple(phone for phone in say(word.lower(), _VOICE).phones if phone != SILENCE)
    if not phones:
        raise InputError("words that can be spoken", repr(word), "the prompt", "Spell it as it sounds")
    return phones
