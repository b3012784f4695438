"""The interface of encoders of text, and an encoder that remembers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.errors import InputError


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
E = TypeVar("E")


def opened_again(read: Callable[[Path], E], directory: Path, sha256: str) -> E:
    """Return the encoder of a directory on another machine.

    Raises:
        InputError: no encoder there, or another one.
    """
    encoder = read(directory)
    if (there := getattr(encoder, "sha256", "")) != sha256:
        raise InputError(
            f"the encoder with SHA-256 {sha256[:12]}", f"one with {there[:12]}", f"{directory} of a worker",
            "Give workers the same files at the same path",
        )  # fmt: skip
    return encoder


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
