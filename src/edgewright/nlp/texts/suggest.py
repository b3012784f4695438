"""Words that complete what somebody types, the likeliest first."""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

import numpy as np

from edgewright.nlp.texts.contract import TextModel, decode, encode

BEFORE = 200
"""Characters of a text, from its end, that count."""
_EXPANDED = 120
_LONGEST = 24
# Characters of a completion in C at most.
_ROOM = 63
IN_WORD = np.array([decode(symbol).isalnum() or decode(symbol) == "'" for symbol in range(96)])
"""Which symbols are parts of words, shape (96,)."""

_LETTERS = "".join(decode(int(symbol)) for symbol in np.flatnonzero(IN_WORD))


class Suggestion(NamedTuple):
    """A word, as a whole, and its probability after the text."""

    word: str
    chance: float


def suggest(model: TextModel, text: str, top: int = 3) -> list[Suggestion]:
    """Return words that complete the last word of a text, or follow it where it ends in a space.

    The search goes on from the likeliest beginning of a word, and stops at 120 beginnings: what it has not found until
    then is less likely than what it found.

    Args:
        model: of text.
        text: so far; its last 200 characters count.
        top: at most so many.
    """
    codes = encode(text)[-BEFORE:]
    state = model.start()
    for symbol in codes:
        state = model.step(state, int(symbol))
    begun = 0
    while begun < len(codes) and IN_WORD[codes[len(codes) - 1 - begun]]:
        begun += 1
    start = "".join(decode(int(symbol)) for symbol in codes[len(codes) - begun :])
    waiting: list[tuple[float, int, str, Any]] = [(0.0, 0, start, state)]
    by_word: dict[str, float] = {}
    counter = 0
    for _ in range(_EXPANDED):
        if not waiting or (len(by_word) >= top and -waiting[0][0] < math.log(sorted(by_word.values())[-top])):
            break
        cost, _, word, at = heapq.heappop(waiting)
        chances = model.probabilities(at)
        end = float(chances[~IN_WORD].sum())
        if word:
            by_word[word] = math.exp(-cost) * end
        if len(word) >= _LONGEST:
            continue
        for symbol in np.argsort(-np.where(IN_WORD, chances, 0.0), kind="stable")[:8].tolist():
            if chances[symbol] > 0:
                counter += 1
                further = (cost - math.log(chances[symbol]), counter, word + decode(symbol), model.step(at, symbol))
                heapq.heappush(waiting, further)
    ordered = sorted(by_word.items(), key=lambda item: -item[1])
    return [Suggestion(word, chance) for word, chance in ordered if len(word) > len(start) or chance > 0.5][:top]


def completion(model: TextModel, text: str, rank: int) -> str:
    """Return the rest of a word as the C form suggests it: one beginning, then the likeliest symbol each time.

    Args:
        model: of text.
        text: so far.
        rank: 0 begins with the likeliest symbol, 1 with the next.
    """
    state = model.start()
    for symbol in encode(text).tolist():
        state = model.step(state, symbol)
    word = ""
    while len(word) < _ROOM:
        chances = model.probabilities(state)
        if word:
            best = int(np.argmax(chances))
            if not IN_WORD[best]:
                break
        else:
            best = int(np.argsort(-np.where(IN_WORD, chances, -1.0), kind="stable")[rank])
        word += decode(best)
        state = model.step(state, best)
    return word


def device_words(model: TextModel, text: str, top: int = 3) -> list[str]:
    """Return whole words as a device suggests them with the C form."""
    begun = len(text) - len(text.rstrip(_LETTERS))
    start = text[len(text) - begun :]
    return [start + completion(model, text, rank) for rank in range(top)]
