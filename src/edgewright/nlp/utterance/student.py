"""The int8 student: rows of a table added up, a hidden layer, logits; integers throughout, the same in C.

With n rows added up to `sum[j]`, in integers of 64 bits:

    factor = FACTOR / isqrt(n << 16)
    hidden[j] = clip((sum[j] * factor + (bias[j] << SHIFT - 8) + (1 << SHIFT - 1)) >> SHIFT, 0, 127)
    logit[k] = last[k] + sum over j of hidden[j] * head[j][k]

The square root keeps the sums of long and short utterances alike: that many n-grams add up to about its size.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.normalise import LONGEST, SPACE, normalised
from edgewright.schema.errors import InputError
from edgewright.schema.language import StudentSpec

# Bits of fraction of a bias.
FRACTION = 8
ARRAYS = {"table": np.int8, "bias": np.int32, "head": np.int8, "last": np.int32}


class Student:
    """Text to integer logits; `limits`, shape (k,), are those from which on each intent is answered.

    Args:
        spec: sizes and scales.
        arrays: `table` int8 (rows, hidden), `bias` int32 (hidden,), `head` int8 (hidden, k), `last` int32 (k,).
        classes: number k of intents.
        where: of the file, for messages.

    Raises:
        InputError: arrays of another type or shape than the spec says, or sizes that cannot be.
    """

    def __init__(self, spec: StudentSpec, arrays: dict[str, NDArray[Any]], classes: int, where: str) -> None:
        shapes = {"table": (spec.rows, spec.hidden), "bias": (spec.hidden,), "head": (spec.hidden, classes),
                  "last": (classes,)}  # fmt: skip
        for name, kind in ARRAYS.items():
            array = arrays.get(name)
            if array is None or array.dtype != kind or array.shape != shapes[name] or not array.size:
                got = "none" if array is None else f"{array.dtype} {array.shape}"
                raise InputError(f"an array {name} of {np.dtype(kind)} {shapes[name]}", got, where)
        lengths = (*spec.characters, *spec.words)
        if not lengths or min(lengths) < 1 or max(lengths) > 8 or not 0 < spec.factor < 1 << 40:
            raise InputError("n-grams of 1 to 8 and a positive factor", f"{lengths}, {spec.factor}", where)
        if not FRACTION < spec.shift <= 30 or not math.isfinite(spec.scale) or spec.scale <= 0:
            raise InputError("a shift of 9 to 30 and a positive scale", f"{spec.shift}, {spec.scale}", where)
        self._spec = spec
        # Sums of small integers are exact in float32, and BLAS adds rows of them faster than NumPy adds bytes.
        self._table = arrays["table"].astype(np.float32)
        self._head = arrays["head"].astype(np.float32)
        half = 1 << (spec.shift - 1)
        self._bias = (arrays["bias"].astype(np.int64) << (spec.shift - FRACTION)) + half
        self._last = arrays["last"].astype(np.int64)
        # An intent needs more than it has from a text without a known n-gram.
        self.limits: NDArray[np.int64] = np.maximum(spec.threshold, self.logits("") + 1)

    def logits(self, text: str) -> NDArray[np.int64]:
        """Integer logits, shape (k,); those of the biases alone for a text without a word."""
        spec = self._spec
        rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
        total = self._bias
        if len(rows):
            # All rows are within the table; "clip" saves NumPy a copy.
            sums = np.add.reduce(self._table.take(rows, axis=0, mode="clip"), axis=0).astype(np.int64)
            total = sums * (spec.factor // math.isqrt(len(rows) << 16)) + total
        hidden = np.minimum(np.maximum(total >> spec.shift, 0), 127).astype(np.float32)
        totals: NDArray[np.int64] = (hidden @ self._head).astype(np.int64) + self._last
        return totals


# Steps of one n-gram alone; the square root of two of them is just within 255.
UNIT = 360
MAX_BYTE, ZERO = 255, -128


def features(text: str, spec: StudentSpec) -> NDArray[np.int8]:
    """Return the bytes of a text, shape (rows,); all of them -128 for one without a word."""
    rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
    values = np.full(spec.rows, ZERO, np.int8)
    if len(rows):
        root = math.isqrt(len(rows) << 16)
        places, counts = np.unique(rows, return_counts=True)
        values[places] = np.minimum((counts * (UNIT << 8) + root // 2) // root, MAX_BYTE) + ZERO
    return values


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
