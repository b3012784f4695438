"""What suggestions are worth: keystrokes that a person saves, by a model of text and by a list of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from edgewright.nlp.texts.contract import TextModel
from edgewright.nlp.texts.suggest import suggest

Suggest = Callable[[str], Sequence[str]]
"""Text so far -> words."""
_WORD = re.compile(r"[A-Za-z0-9']+")


class Saved(NamedTuple):
    """Keystrokes of the words of a text.

    Attributes:
        share: of keystrokes saved, where one choice costs one.
        next_word: share of words that were suggested before their first character.
        words: that were typed.
    """

    share: float
    next_word: float
    words: int


def type_words(text: str, suggesting: Suggest, words: int, seed: int = 0) -> Saved:
    """Type words of a text and take a suggestion as soon as it is right.

    Args:
        text: that is typed.
        suggesting: suggests words.
        words: at most so many, drawn at random.
        seed: of the draw.
    """
    found = [match for match in _WORD.finditer(text) if match.start() > 0]
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(found), min(words, len(found)), replace=False).tolist())
    needed = typed = first = 0
    for match in (found[place] for place in chosen):
        # The word and the space after it, which a suggestion brings along.
        needed += len(match[0]) + 1
        for count in range(len(match[0]) + 1):
            if count < len(match[0]) and match[0] in suggesting(text[: match.start() + count]):
                first += count == 0
                typed += count + 1
                break
        else:
            typed += len(match[0]) + 1
    return Saved(1 - typed / max(needed, 1), first / max(len(chosen), 1), len(chosen))


def by_model(model: TextModel) -> Suggest:
    """Return three suggestions of a model."""
    return lambda text: [one.word for one in suggest(model, text)]


def word_list(text: str) -> list[str]:
    """Return the words of a text, the most frequent first."""
    return [word for word, _ in Counter(_WORD.findall(text)).most_common()]


def by_word_list(ordered: Sequence[str]) -> Suggest:
    """Return the three most frequent words that begin as what is typed: what a word list can do."""

    def suggesting(typed: str) -> list[str]:
        begun = re.search(r"[A-Za-z0-9']*$", typed)
        start = begun[0] if begun else ""
        return [word for word in ordered if word.startswith(start) and word != start][:3]

    return suggesting
