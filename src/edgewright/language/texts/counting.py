"""Counting n-grams: the tables of `nlp.texts.ngram`, whole or within a size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.texts.contract import SYMBOLS, Codes, Floats
from edgewright.nlp.texts.ngram import ENTRY_BYTES, STEP, Keys, NgramModel, hashed

ORDER = 5
_BASE = np.uint64(SYMBOLS)


class Counts(NamedTuple):
    """N-grams of one length.

    Attributes:
        keys: as numbers of base 96, the last symbol last; ascending.
        counts: how often each was seen.
        chances: smoothed probability of the last symbol after the others.
        contexts: that were seen, without the last symbol; ascending.
        shares: of each context's probability that is left to the shorter one.
    """

    keys: Keys
    counts: NDArray[np.int64]
    chances: Floats
    contexts: Keys
    shares: Floats


def count(codes: Codes, order: int = ORDER) -> list[Counts]:
    """Count the n-grams of a text, of contexts from none to `order` symbols.

    Args:
        codes: symbols, shape (n,), n above `order`.
        order: symbols of the longest context.
    """
    tables: list[Counts] = []
    keys = np.zeros(len(codes), np.uint64)
    for n in range(order + 1):
        # The key of n + 1 symbols from that of the first n.
        keys = (codes if n == 0 else keys[:-1] * _BASE + codes[n:]).astype(np.uint64)
        unique, counts = np.unique(keys, return_counts=True)
        contexts, owner = np.unique(unique // _BASE, return_inverse=True)
        total = np.bincount(owner, counts, len(contexts))
        kinds = np.bincount(owner, minlength=len(contexts))
        shares = kinds / (total + kinds)
        total, kinds = total[owner], kinds[owner]
        if n == 0:
            lower = np.full(len(unique), 1.0 / SYMBOLS)
        else:
            below = tables[-1]
            lower = below.chances[np.searchsorted(below.keys, unique % _BASE ** np.uint64(n))]
        tables.append(Counts(unique, counts, (counts + kinds * lower) / (total + kinds), contexts, shares))
    return tables


def count_bits(counted: list[Counts], codes: Codes) -> float:
    """Return the bits per byte of a text by the counts themselves, before they are rounded to the tables of a device.

    Args:
        counted: as `count` gives them.
        codes: symbols of the text, shape (n,), n of at least 1.
    """
    chances = np.full(len(codes), 1.0 / SYMBOLS)
    keys = np.zeros(len(codes), np.uint64)
    for n, table in enumerate(counted[: len(codes)]):
        keys = (codes if n == 0 else keys[:-1] * _BASE + codes[n:]).astype(np.uint64)
        some = chances[n:]
        index = np.minimum(np.searchsorted(table.contexts, keys // _BASE), len(table.contexts) - 1)
        known = table.contexts[index] == keys // _BASE
        some = np.where(known, table.shares[index] * some, some)
        index = np.minimum(np.searchsorted(table.keys, keys), len(table.keys) - 1)
        chances[n:] = np.where(table.keys[index] == keys, table.chances[index], some)
    return float(-np.log2(chances).mean())


def ngram_model(codes: Codes, order: int = ORDER, size: int = 0) -> tuple[NgramModel, dict[str, NDArray[Any]]]:
    """Return a model of a text and its arrays.

    Args:
        codes: symbols of the text.
        order: symbols of the longest context.
        size: bytes at most, by leaving out long n-grams that were seen seldom; 0 for no limit.
    """
    counted = count(codes, order)
    fewest, arrays = 1, _tables(counted, 1)
    while size and _bytes(arrays) > size:
        fewest += 1
        arrays = _tables(counted, fewest)
    return NgramModel(arrays), arrays


def _bytes(arrays: dict[str, NDArray[Any]]) -> int:
    return ENTRY_BYTES * sum(len(array) for name, array in arrays.items() if name.startswith(("keys", "contexts")))


def _tables(counted: list[Counts], fewest: int) -> dict[str, NDArray[Any]]:
    """Return the tables of n-grams that were seen often enough; pairs of symbols and single ones all stay."""
    arrays: dict[str, NDArray[Any]] = {}
    for n, (keys, counts, chances, _, _) in enumerate(counted):
        kept = counts >= (fewest if n > 1 else 1)
        some, values = keys[kept], chances[kept]
        arrays |= _sorted(f"keys_{n}", f"values_{n}", some, values)
        if n == 0:
            continue
        contexts, owner = np.unique(some // _BASE, return_inverse=True)
        below = counted[n - 1]
        lower = below.chances[np.searchsorted(below.keys, some % _BASE ** np.uint64(n))]
        # What is left to others, as a share of what the shorter context gives them.
        left = 1 - np.bincount(owner, values, len(contexts))
        others = 1 - np.bincount(owner, lower, len(contexts))
        share = np.clip(left, 1e-6, 1) / np.clip(others, 1e-6, 1)
        arrays |= _sorted(f"contexts_{n}", f"shares_{n}", contexts, np.minimum(share, 1.0))
    return arrays


def _sorted(keys_name: str, values_name: str, keys: Keys, chances: Floats) -> dict[str, NDArray[Any]]:
    short = hashed(keys)
    order = np.argsort(short, kind="stable")
    values = np.clip(np.rint(-np.log2(chances) / STEP), 0, 255).astype(np.uint8)
    return {keys_name: short[order], values_name: values[order]}
