"""Words that complete what somebody types, the likeliest first."""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

import numpy as np

from edgewright.nlp.texts.alphabet import decode, encode
from edgewright.nlp.texts.contract import TextModel

_BEFORE = 200
_EXPANDED = 120
_LONGEST = 24
IN_WORD = np.array([decode(symbol).isalnum() or decode(symbol) == "'" for symbol in range(96)])
"""Which symbols are parts of words, shape (96,)."""


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
    codes = encode(text)[-_BEFORE:]
    state = model.start()
    for symbol in codes:
        state = model.step(state, int(symbol))
    begun = 0
    while begun < len(codes) and IN_WORD[codes[len(codes) - 1 - begun]]:
        begun += 1
    start = "".join(decode(int(symbol)) for symbol in codes[len(codes) - begun :])
    waiting: list[tuple[float, int, str, Any]] = [(0.0, 0, start, state)]
    found: dict[str, float] = {}
    counter = 0
    for _ in range(_EXPANDED):
        if not waiting or (len(found) >= top and -waiting[0][0] < math.log(sorted(found.values())[-top])):
            break
        cost, _, word, at = heapq.heappop(waiting)
        chances = model.probabilities(at)
        end = float(chances[~IN_WORD].sum())
        if word:
            found[word] = math.exp(-cost) * end
        if len(word) >= _LONGEST:
            continue
        for symbol in np.argsort(-np.where(IN_WORD, chances, 0.0), kind="stable")[:8].tolist():
            if chances[symbol] > 0:
                counter += 1
                further = (cost - math.log(chances[symbol]), counter, word + decode(symbol), model.step(at, symbol))
                heapq.heappush(waiting, further)
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [Suggestion(word, chance) for word, chance in ordered if len(word) > len(start) or chance > 0.5][:top]
