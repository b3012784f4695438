"""New sentences out of those there are, for a teacher to label: crossed, spliced, with words left out or exchanged.

They are no examples of anything by themselves: only a teacher's answer makes them one. They are marked by where they
are used and never judged on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LONGEST = 30
# Shares of: crossed within an intent, spliced with a few words of any other, crossed with any other, left as it is.
_CROSSED, _SPLICED, _MIXED = 0.35, 0.55, 0.62
_LEFT_OUT, _SWAPPED = 0.12, 0.15


def augmented(texts: Sequence[str], intents: Sequence[str], count: int, seed: int) -> list[str]:
    """So many new sentences; none where there is no sentence of two words.

    Args:
        texts, intents: what they are made of.
        count: of new sentences.
        seed: of all choices.
    """
    random = np.random.default_rng(seed)
    words = [text.split() for text in texts]
    alike: dict[str, list[int]] = {}
    for number, intent in enumerate(intents):
        alike.setdefault(intent, []).append(number)
    made: list[str] = []
    for _ in range(2 * count if any(len(w) > 1 for w in words) else 0):
        if len(made) == count:
            break
        number = int(random.integers(len(words)))
        kind = alike[intents[number]]
        near = words[kind[int(random.integers(len(kind)))]]
        far = words[int(random.integers(len(words)))]
        new = _varied(words[number], near, far, random)
        if 1 <= len(new) <= _LONGEST:
            made.append(" ".join(new))
    return made


def _varied(own: list[str], near: list[str], far: list[str], random: np.random.Generator) -> list[str]:
    kind, new = random.random(), list(own)
    if not own or not near or not far:
        return new
    if kind < _CROSSED and len(own) > 2:
        new = own[: int(random.integers(1, len(own)))] + near[int(random.integers(len(near))) :]
    elif kind < _SPLICED:
        length = int(random.integers(1, 4))
        begin = int(random.integers(max(1, len(far) - length + 1)))
        place, lost = int(random.integers(len(own) + 1)), int(random.integers(3))
        new = own[:place] + far[begin : begin + length] + own[place + lost :]
    elif kind < _MIXED:
        new = own[: int(random.integers(len(own)))] + far[int(random.integers(len(far))) :]
    kept = random.random(len(new)) > _LEFT_OUT
    new = [word for word, keep in zip(new, kept, strict=True) if keep] or new
    if random.random() < _SWAPPED and len(new) > 2:
        at = int(random.integers(len(new) - 1))
        new[at], new[at + 1] = new[at + 1], new[at]
    return new
