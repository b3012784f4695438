"""The 96 characters that models of text know: the line end and printable ASCII."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

SYMBOLS = 96
Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\t": " ", "\r": "\n"})


def fold(text: str) -> str:
    """Return a text in the alphabet: letters lose diacritics, and a character without a form there becomes '?'."""
    made = []
    for character in unicodedata.normalize("NFKD", text.translate(_PLAIN)):
        if character == "\n" or " " <= character <= "~":
            made.append(character)
        elif not unicodedata.combining(character):
            made.append("?")
    return "".join(made)


def encode(text: str) -> Codes:
    """Return the symbols of a text, 0 for the line end, else 1 to 95, shape (characters of `fold(text)`,)."""
    codes = np.frombuffer(fold(text).encode("ascii"), np.uint8)
    return np.where(codes == 10, 0, codes - 31).astype(np.uint8)


def decode(symbol: int) -> str:
    """Return the character of a symbol."""
    return chr(symbol + 31) if symbol else "\n"
