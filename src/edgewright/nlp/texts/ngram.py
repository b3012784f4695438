"""N-grams with back-off: the longest context that was seen decides, shorter ones fill what it did not see.

Interpolated Witten-Bell smoothing (Witten and Bell, 1991): p(c | context) = (count + u p(c | shorter)) / (total + u)
with u the number of different symbols that followed the context. A table holds the probability of every n-gram that was
seen; another the share that a context leaves to the shorter one. Both are in sixteenths of a bit, one byte each, beside
32 bits of the n-gram's hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.texts.contract import SYMBOLS, Codes, Floats

ENTRY_BYTES = 5
"""Bytes of an entry of either table: 4 of the hash, 1 of the value."""
STEP = 1 / 16
"""Bits of one step of a value."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_PART = 4096
Keys = NDArray[np.uint64]


def hashed(keys: Keys) -> NDArray[np.uint32]:
    """Return 32 bits of n-grams, which are numbers of base 96 (Fibonacci hashing; Knuth, 1973)."""
    return ((keys * _MULTIPLIER) >> np.uint64(32)).astype(np.uint32)


class NgramModel:
    """N-grams that were counted.

    Args:
        arrays: `keys_N` sorted hashes and `values_N` of n-grams with N symbols before the last, for N = 0 to the order;
            `contexts_N` and `shares_N` of their contexts, for N = 1 to the order.

    Attributes:
        order: symbols of the longest context.
    """

    kind = "ngram"

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.order = sum(name.startswith("keys_") for name in arrays) - 1
        self._ngrams = [(arrays[f"keys_{n}"], _probability(arrays[f"values_{n}"])) for n in range(self.order + 1)]
        self._contexts = [
            (arrays[f"contexts_{n}"], _probability(arrays[f"shares_{n}"])) for n in range(1, self.order + 1)
        ]
        self.parameters = sum(len(keys) for keys, _ in (*self._ngrams, *self._contexts))
        self.bytes = ENTRY_BYTES * self.parameters

    def start(self) -> tuple[int, ...]:
        """Return the empty context."""
        return ()

    def step(self, state: tuple[int, ...], symbol: int) -> tuple[int, ...]:
        """Return the context after one more symbol."""
        return (*state, symbol)[-self.order :]

    def probabilities(self, state: tuple[int, ...]) -> Floats:
        """Return the probability of every symbol, shape (96,)."""
        shares: Floats = self._distributions(np.array([state], np.uint8).reshape(1, -1))[0]
        return shares

    def bits(self, codes: Codes) -> float:
        """Return the bits per byte of a text."""
        total = 0.0
        for n in range(min(self.order, len(codes))):
            total -= float(np.log2(self._distributions(codes[None, :n])[0, codes[n]]))
        if len(codes) > self.order:
            windows = np.lib.stride_tricks.sliding_window_view(codes, self.order + 1)
            for begin in range(0, len(windows), _PART):
                some = windows[begin : begin + _PART]
                chances = self._distributions(some[:, : self.order])
                total -= float(np.log2(chances[np.arange(len(some)), some[:, -1]]).sum())
        return total / len(codes)

    def _distributions(self, contexts: NDArray[np.uint8]) -> Floats:
        """Return the probabilities after contexts of one length, shape (n, 96), from shape (n, at most order)."""
        count, length = contexts.shape
        shares = np.full((count, SYMBOLS), 1.0 / SYMBOLS)
        symbols = np.arange(SYMBOLS, dtype=np.uint64)
        context = np.zeros(count, np.uint64)
        for n in range(length + 1):
            if n:
                context += contexts[:, length - n].astype(np.uint64) * np.uint64(SYMBOLS) ** np.uint64(n - 1)
                share, known = _look(*self._contexts[n - 1], hashed(context))
                shares *= np.where(known, share, 1.0)[:, None]
            keys = context[:, None] * np.uint64(SYMBOLS) + symbols
            value, known = _look(*self._ngrams[n], hashed(keys.ravel()))
            shares = np.where(known.reshape(keys.shape), value.reshape(keys.shape), shares)
        normalised: Floats = shares / shares.sum(axis=1, keepdims=True)
        return normalised


def _probability(values: NDArray[Any]) -> Floats:
    probabilities: Floats = np.exp2(-STEP * values.astype(np.float64))
    return probabilities


def _look(keys: NDArray[Any], values: Floats, wanted: NDArray[np.uint32]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the values of keys, and whether they are there."""
    if not len(keys):
        return np.zeros(len(wanted)), np.zeros(len(wanted), bool)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return values[places], keys[places] == wanted
