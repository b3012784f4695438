"""Models of text: what they offer, and the symbols that they know."""

from __future__ import annotations

import unicodedata
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class TextModel(Protocol):
    """A model that tells what follows a text; a state is a value and never changes.

    Attributes:
        kind: 'ngram' or 'gru'.
        parameters: numbers that were fitted.
        bytes: of its arrays on a device.
    """

    kind: str
    parameters: int
    bytes: int

    def start(self) -> Any:  # noqa: ANN401 - a state of the model
        """Return the state before any text."""
        ...

    def step(self, state: Any, symbol: int) -> Any:  # noqa: ANN401 - a state of the model
        """Return the state after one more symbol."""
        ...

    def probabilities(self, state: Any) -> Floats:  # noqa: ANN401 - a state of the model
        """Return the probability of every symbol that may follow, shape (96,), sum 1."""
        ...

    def bits(self, codes: Codes) -> float:
        """Return the mean bits that a symbol of a text takes, its bits per byte.

        Args:
            codes: symbols, shape (n,), n of at least 1.
        """
        ...


SYMBOLS = 96
Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\t": " ", "\r": "\n"})


def fold(text: str) -> str:
    """Return a text in the alphabet: letters lose diacritics, and a character without a form there becomes '?'."""
    letters = []
    for character in unicodedata.normalize("NFKD", text.translate(_PLAIN)):
        if character == "\n" or " " <= character <= "~":
            letters.append(character)
        elif not unicodedata.combining(character):
            letters.append("?")
    return "".join(letters)


def encode(text: str) -> Codes:
    """Return the symbols of a text, 0 for the line end, else 1 to 95, shape (characters of `fold(text)`,)."""
    codes = np.frombuffer(fold(text).encode("ascii"), np.uint8)
    return np.where(codes == 10, 0, codes - 31).astype(np.uint8)


def decode(symbol: int) -> str:
    """Return the character of a symbol."""
    return chr(symbol + 31) if symbol else "\n"
