"""Sentences of all sorts of topics that belong to no intent: they teach a model what is out of scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from edgewright.nlp.utterance.normalise import normalised

# Cosine of the words' rarities from which on a sentence may belong to one of the intents.
_ALIKE = 0.5
_NONSENSE, _SEED = 80, 7
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def background() -> tuple[str, ...]:
    """Return sentences of several hundred topics: questions, commands, remarks and single words."""
    path = resources.files("edgewright.language.intents") / "background.txt"
    return tuple(path.read_text("utf-8").splitlines())


@cache
def nonsense() -> tuple[str, ...]:
    """Return one to four made-up words each."""
    random = np.random.default_rng(_SEED)

    def word() -> str:
        return "".join(_LETTERS[k] for k in random.integers(len(_LETTERS), size=int(random.integers(2, 9))))

    return tuple(" ".join(word() for _ in range(int(random.integers(1, 5)))) for _ in range(_NONSENSE))


def outside_of(texts: Sequence[str]) -> list[str]:
    """Return the background without what may belong to the texts, and nonsense, in a mixed order.

    Args:
        texts: sentences of all intents.
    """
    known: dict[str, list[tuple[int, float]]] = {}
    for number, text in enumerate(texts):
        for word, share in _shares(text).items():
            known.setdefault(word, []).append((number, share))
    kept = list(nonsense())
    for sentence in background():
        cosines: Counter[int] = Counter()
        for word, share in _shares(sentence).items():
            for number, other in known.get(word, ()):
                cosines[number] += share * other  # type: ignore[assignment]
        if max(cosines.values(), default=0.0) < _ALIKE:
            kept.append(sentence)
    return [kept[k] for k in np.random.default_rng(_SEED).permutation(len(kept))]


@cache
def _rarities() -> dict[str, float]:
    """Return the rarity of each word of the background; that of any other word is under ''."""
    counts = Counter(word for sentence in background() for word in set(normalised(sentence).split()))
    size = 1 + len(background())
    return {"": float(np.log(size)), **{word: float(np.log(size / (1 + count))) for word, count in counts.items()}}


def _shares(text: str) -> dict[str, float]:
    """Return the words of a text with their rarities as a unit vector."""
    rarities = _rarities()
    words = {word: rarities.get(word, rarities[""]) for word in normalised(text).split()}
    length = float(np.linalg.norm(list(words.values()))) or 1.0
    return {word: rarity / length for word, rarity in words.items()}
