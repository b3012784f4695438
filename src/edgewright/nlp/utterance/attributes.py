"""What the slot tagger sees of every token: words around it, endings, shapes and the intent, as hashed attributes.

Desk and device call the same functions, so training and parsing cannot differ. An attribute is a short string; the
device keeps the CRC-32 of those that carry a weight.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.normalise import APOSTROPHES, SPACE_CLASS, WORD_CLASS, lower, small_letters

_JOINS = "".join(map(chr, APOSTROPHES))
# A word, with an apostrophe in it or not, or one sign.
_TOKEN = re.compile(rf"[{WORD_CLASS}]+(?:[{_JOINS}][{WORD_CLASS}]+)*|[^{WORD_CLASS}{SPACE_CLASS}]")
_WORD = re.compile(rf"[{WORD_CLASS}]")
_DIGIT = re.compile(r"[0-9]")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)
_BEFORE, _AFTER = "<", ">"


def tokens(text: str) -> list[tuple[int, int]]:
    """Begin and end of every token, in code points."""
    return [match.span() for match in _TOKEN.finditer(text)]


def attributes(text: str, spans: list[tuple[int, int]], intent: str) -> list[list[str]]:
    """Return the attributes of every token.

    Args:
        text: of the utterance.
        spans: of its tokens.
        intent: that was understood or, in training, is known.
    """
    words = [text[begin:end] for begin, end in spans]
    plain = [_BEFORE, _BEFORE, *(_DIGIT.sub("0", lower(word)) for word in words), _AFTER, _AFTER]
    shapes = [_BEFORE, *(shape(word) for word in words), _AFTER]
    made = []
    for i in range(len(words)):
        before2, before, word, after, after2 = plain[i : i + 5]
        made.append([
            "b", f"I={intent}", f"w={word}", f"I|w={intent}|{word}", f"-1={before}", f"+1={after}",
            f"-2={before2}", f"+2={after2}", f"-1w={before}|{word}", f"w+1={word}|{after}",
            f"-2-1={before2}|{before}", f"+1+2={after}|{after2}", f"-1+1={before}|{after}",
            f"s3={word[-3:]}", f"s2={word[-2:]}", f"p3={word[:3]}", f"p2={word[:2]}",
            f"sh={shapes[i + 1]}", f"sh-1={shapes[i]}", f"sh+1={shapes[i + 2]}",
        ])  # fmt: skip
    return made


def shape(word: str) -> str:
    """Capitals as X, other letters as x, digits 0 to 9 as d, signs as they are; at most two of a kind in a row."""
    return _REPEATED.sub(r"\1\1", "".join(map(_kind, word)))


@lru_cache(4096)
def _kind(char: str) -> str:
    if "0" <= char <= "9":
        return "d"
    if ord(char) in small_letters():
        return "X"
    return "x" if char != "_" and _WORD.match(char) else char


def keys(attribute_rows: list[list[str]]) -> NDArray[np.uint32]:
    """CRC-32 of all attributes, one after the other."""
    crc = zlib.crc32
    return np.array([crc(name.encode("utf-8")) for row in attribute_rows for name in row], np.uint32)
