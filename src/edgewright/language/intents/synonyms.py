"""Words that mean about the same, by an encoder: what a student must have seen that its few utterances do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.language.embedding import Encoder

Synonyms = Mapping[str, Sequence[str]]
# The nearest so many words of at least that cosine stand in for a word.
_MOST, _NEAREST = 8, 0.5
_BLOCK = 500


def synonyms(encoder: Encoder, texts: Sequence[str]) -> dict[str, list[str]]:
    """For every word of the texts, those of the encoder's vocabulary and of the texts that are nearest to it.

    Args:
        encoder: whose vectors say what is near; one that tells no words has those of the texts alone.
        texts: whose words are looked at, split at spaces.
    """
    own = sorted({word for text in texts for word in text.lower().split() if word.isalpha()})
    known = sorted({*own, *encoder.words()})
    vectors = encoder.encode(known)
    place = {word: number for number, word in enumerate(known)}
    made: dict[str, list[str]] = {}
    for start in range(0, len(own), _BLOCK):
        block = own[start : start + _BLOCK]
        near = vectors[[place[word] for word in block]] @ vectors.T
        # One more than wanted: a word is its own nearest.
        count = min(_MOST + 1, len(known))
        top = np.argpartition(-near, count - 1, axis=1)[:, :count]
        for row, word in enumerate(block):
            found = sorted((-float(near[row, k]), known[k]) for k in top[row] if known[k] != word)
            made[word] = [other for cosine, other in found if -cosine >= _NEAREST][:_MOST]
    return made


def exchanged(text: str, others: Synonyms, share: float, random: np.random.Generator) -> str:
    """The text with about that share of its words exchanged."""
    words = []
    for word in text.split():
        choices = others.get(word.lower(), ())
        words.append(choices[int(random.integers(len(choices)))] if choices and random.random() < share else word)
    return " ".join(words)
