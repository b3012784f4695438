"""Sentences of all sorts of topics that belong to no intent: they teach a model what is out of scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import numpy as np
from scipy.sparse import csr_matrix

from edgewright.nlp.utterance.normalise import normalised

# Cosine of the words' rarities from which on a sentence may belong to one of the intents.
_ALIKE = 0.5
# Texts that are compared at once with all sentences.
_BLOCK = 2_000
_NONSENSE, _SEED = 80, 7
# Words of the background that are most frequent; their share of English sentences is .3 to .6, of others .1 to .2.
_FREQUENT, _ENGLISH = 60, 0.25
# Words from which on that share is known.
_TELLING = 40
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
    sentences, words = background(), {word: number for number, word in enumerate(_rarities())}
    away, nearest = _matrix(sentences, words), np.zeros(len(background()))
    for begin in range(0, len(texts), _BLOCK):
        cosines = away @ _matrix(texts[begin : begin + _BLOCK], words).T
        nearest = np.maximum(nearest, cosines.max(axis=1).toarray().ravel())
    kept = [*nonsense(), *(text for text, cosine in zip(sentences, nearest, strict=True) if cosine < _ALIKE)]
    return [kept[k] for k in np.random.default_rng(_SEED).permutation(len(kept))]


def is_english(texts: Sequence[str]) -> bool:
    """Return whether the background is of these texts' language, which only some dozens of words tell."""
    words = [word for text in texts for word in normalised(text).split()]
    known = set(sorted(_rarities(), key=_rarities().__getitem__)[:_FREQUENT])
    return len(words) < _TELLING or sum(word in known for word in words) >= _ENGLISH * len(words)


def _matrix(texts: Sequence[str], words: Mapping[str, int]) -> csr_matrix:
    """Return the shares of these words in texts, shape (n, words)."""
    entries = [
        (row, words[word], share)
        for row, text in enumerate(texts) for word, share in _shares(text).items() if word in words
    ]  # fmt: skip
    rows, columns, shares = zip(*entries, strict=True) if entries else ((), (), ())
    return csr_matrix((np.array(shares, np.float64), (rows, columns)), shape=(len(texts), len(words)))


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
