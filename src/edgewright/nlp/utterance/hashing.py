"""Words and n-grams of characters as rows of a table, by hashing: no vocabulary is stored.

Every n-gram is a run of code points of the normalised text. Its hash is the polynomial sum of c[i] * MULTIPLIER^(n-1-i)
modulo 2^32, plus a seed of its kind, mixed as MurmurHash3's finaliser does (Appleby, public domain), and scaled to the
number of rows (Lemire, Fast Random Integer Generation in an Interval, 2019). Prefix sums give the hash of any run with
one subtraction and one product, so NumPy computes all of them at once; C adds them up one after the other.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.normalise import LONGEST, SPACE, normalised
from edgewright.schema.language import StudentSpec

# Steps of one n-gram alone; the square root of two of them is just within 255.
UNIT = 360
MOST, ZERO = 255, -128


def features(text: str, spec: StudentSpec) -> NDArray[np.int8]:
    """Return the bytes of a text, shape (rows,); all of them -128 for one without a word."""
    rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
    made = np.full(spec.rows, ZERO, np.int8)
    if len(rows):
        root = math.isqrt(len(rows) << 16)
        places, counts = np.unique(rows, return_counts=True)
        made[places] = np.minimum((counts * (UNIT << 8) + root // 2) // root, MOST) + ZERO
    return made


MULTIPLIER = 0x01000193
MIX_A, MIX_B = 0x85EBCA6B, 0xC2B2AE35
# Added to the hash of an n-gram of characters times its length, and of words times 64 more.
SEED = 0x9E3779B9
WORDS = 64
_MASK = 0xFFFFFFFF
# The longest run of words; beyond it a word is a run of its first code points no more.
_LENGTH = LONGEST * 2 + 3

# Made once: a parse has no time to make them.
_SIXTEEN, _THIRTEEN, _MIX_A, _MIX_B = (np.uint32(number) for number in (16, 13, MIX_A, MIX_B))
_HALF = np.uint64(32)
_SEEDS = tuple(np.uint32(SEED * kind & _MASK) for kind in range(2 * WORDS))

Codes = NDArray[np.uint32]


@cache
def _powers() -> tuple[Codes, Codes]:
    """Return powers of the multiplier and of its inverse modulo 2^32."""
    up, down, inverse = [1], [1], pow(MULTIPLIER, -1, 1 << 32)
    for _ in range(_LENGTH):
        up.append(up[-1] * MULTIPLIER & _MASK)
        down.append(down[-1] * inverse & _MASK)
    return np.array(up, np.uint32), np.array(down, np.uint32)


def rows_of(text: str, characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> NDArray[np.int64]:
    """Return rows of the table that a text adds up, with repetitions.

    Args:
        text: as `normalised` gives it.
        characters: lengths of the n-grams of characters.
        words: numbers of words of the n-grams of words.
        rows: of the table.

    Returns:
        Row numbers, shape (n,); none for a text without a word.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    length = len(codes)
    if length < 3:
        return np.zeros(0, np.int64)
    up, down = _powers()
    sums = np.empty(length + 1, np.uint32)
    sums[0] = 0
    np.cumsum(codes * down[:length], dtype=np.uint32, out=sums[1:])
    parts = [(sums[n:] - sums[:-n]) * up[n - 1 : length] + _SEEDS[n] for n in characters if n <= length]
    spaces = np.flatnonzero(codes == SPACE)
    for n in words:
        if n < len(spaces):
            begin, end = spaces[:-n] + 1, spaces[n:]
            parts.append((sums[end] - sums[begin]) * up[end - 1] + _SEEDS[n + WORDS])
    if not parts:
        return np.zeros(0, np.int64)
    return scaled(mixed(np.concatenate(parts)), rows)


def mixed(hashes: Codes) -> Codes:
    """MurmurHash3's finaliser, in place."""
    hashes ^= hashes >> _SIXTEEN
    hashes *= _MIX_A
    hashes ^= hashes >> _THIRTEEN
    hashes *= _MIX_B
    hashes ^= hashes >> _SIXTEEN
    return hashes


def scaled(hashes: Codes, rows: int) -> NDArray[np.int64]:
    """Hashes of 32 bits as numbers below `rows`: the upper half of their product."""
    wide = hashes.astype(np.uint64)
    wide *= np.uint64(rows)
    wide >>= _HALF
    return wide.view(np.int64)
