"""What every encoder of text offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """Texts to vectors whose scalar product says how near their meanings are.

    Attributes:
        name: of the directory it came from.
        dimensions: length d of a vector.
        bytes: of its weights.
    """

    name: str
    dimensions: int
    bytes: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, d), float32; an empty text has one, too, and the caller knows it is none."""
        ...

    def words(self) -> list[str]:
        """Whole words that it knows; none where it cannot say."""
        ...


def unit(vectors: NDArray[Any]) -> Vectors:
    """Rows divided by their length; rows of zeros stay."""
    wide = np.asarray(vectors, np.float32)
    length = np.sqrt(np.sum(np.square(wide), axis=-1, keepdims=True))
    return np.asarray(wide / np.maximum(length, np.float32(1e-12)), np.float32)
