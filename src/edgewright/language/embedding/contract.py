"""The interface of encoders of text, and an encoder that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.head import Encodes


class Remembering:
    """An `Encoder` that keeps what it was asked; four bytes a number, as long as it lives.

    Args:
        encoder: that does the work.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._known = encoder, dict[str, Vectors]()
        self.name, self.dimensions, self.bytes = encoder.name, encoder.dimensions, encoder.bytes
        self.sha256: str = getattr(encoder, "sha256", "")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the encoder's vectors, shape (n, dimensions); texts seen before are not encoded again."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, self.dimensions)

    def words(self) -> list[str]:
        """As the encoder."""
        return self._encoder.words()


Vectors = NDArray[np.float32]


class Encoder(Encodes, Protocol):
    """Texts to vectors whose scalar product says how near their meanings are; an empty text has one, too.

    Attributes:
        name: name of the directory it came from.
        dimensions: length d of a vector.
        bytes: of its weights.
    """

    bytes: int

    def words(self) -> list[str]:
        """Whole words that it knows; none where it cannot say."""
        ...


def unit(vectors: NDArray[Any]) -> Vectors:
    """Return rows divided by their length; rows of zeros stay."""
    wide = np.asarray(vectors, np.float32)
    length = np.sqrt(np.sum(np.square(wide), axis=-1, keepdims=True))
    return np.asarray(wide / np.maximum(length, np.float32(1e-12)), np.float32)
