"""Finding rules: one after the other, each grown condition by condition while that saves more bits than it costs.

Sequential covering with FOIL's gain (Quinlan, Machine Learning 5, 1990; Cohen, Fast effective rule induction, 1995),
and a description-length test in place of a held-back pruning set: a condition must save more bits than it takes to say.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.models._rule_table import COLUMN, DIFFERENCE, PRODUCT, RATIO, combined

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
# Columns that are looked at by themselves, and those of which pairs are made: the best by themselves.
MOST_COLUMNS, MOST_PAIRED = 48, 8
MOST_RULES, MOST_CONDITIONS = 12, 4
# A rule of fewer samples is an anecdote.
FEWEST = 5


@dataclass(frozen=True)
class Condition:
    """A term compared with a threshold."""

    kind: int
    left: int
    right: int
    at_least: bool
    threshold: float


@dataclass(frozen=True)
class Terms:
    """What conditions may compare: (kind, left, right) and values of shape (terms, n), with their sorted order."""

    named: tuple[tuple[int, int, int], ...]
    values: Floats
    order: NDArray[np.int64]

    def price(self, conditions: int) -> float:
        """Bits that say one condition: which term, which side, which of the thresholds between the samples held."""
        return math.log2(len(self.named)) + 1.0 + math.log2(max(2, conditions))


def terms_of(X: Floats, columns: NDArray[np.int64], pairs: bool = True) -> Terms:
    """Return columns, and products, differences and ratios of the first of them.

    Args:
        X: (n, columns), NaN where missing.
        columns: best first.
        pairs: False takes the columns alone.
    """
    named = [(COLUMN, int(c), int(c)) for c in columns[:MOST_COLUMNS]]
    if pairs:
        for a, b in itertools.combinations([int(c) for c in columns[:MOST_PAIRED]], 2):
            named += [(PRODUCT, a, b), (DIFFERENCE, a, b), _ratio(X, a, b)]
    values = np.stack([combined(X, *term) for term in named])
    # Missing values and divisions by zero meet no condition: they are sorted to the end and never cut off there.
    values = np.where(np.isfinite(values), values, np.float32(np.nan))
    return Terms(tuple(named), values, np.argsort(values, axis=1, kind="stable"))


def _ratio(X: Floats, a: int, b: int) -> tuple[int, int, int]:
    """Return the ratio of two columns with the one below that is less often zero."""
    zeros = (X[:, a] == 0).sum(), (X[:, b] == 0).sum()
    return (RATIO, a, b) if zeros[1] <= zeros[0] else (RATIO, b, a)


def best_columns(X: Floats, target: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return columns by how much one cut of each explains of the target, (n,) or (n, outputs); best first."""
    wide = target.reshape(len(X), -1)
    wide = wide - wide.mean(axis=0)
    gains = np.empty(X.shape[1])
    for column in range(X.shape[1]):
        known = np.flatnonzero(np.isfinite(X[:, column]))
        order = known[np.argsort(X[known, column], kind="stable")]
        values = X[order, column]
        cut = np.flatnonzero(values[1:] > values[:-1])
        if not len(cut):
            gains[column] = -1.0
            continue
        left = np.cumsum(wide[order], axis=0)[cut]
        total, size = wide[order].sum(axis=0), cut + 1.0
        rest = len(order) - size
        gains[column] = float(((left**2).sum(1) / size + ((total - left) ** 2).sum(1) / rest).max())
    ranked = np.argsort(-gains, kind="stable")
    return ranked[gains[ranked] > 0].astype(np.int64)


def grow(terms: Terms, wanted: Flags, rest: Flags) -> tuple[list[Condition], Flags]:
    """One rule for `wanted` among the samples `rest`.

    Returns:
        Its conditions, none where nothing is worth saying, and the samples of `rest` it holds for.
    """
    covered, conditions, order = rest.copy(), [], terms.order
    for _ in range(MOST_CONDITIONS):
        order = order[covered[order]].reshape(len(order), -1)
        best = _best(terms, wanted, order)
        if best is None:
            break
        gain, condition, index = best
        if gain <= terms.price(int(covered.sum())):
            break
        value = terms.values[index]
        covered &= (value >= condition.threshold) if condition.at_least else (value <= condition.threshold)
        conditions.append(condition)
        if wanted[covered].all():
            break
    return conditions, covered


def _best(terms: Terms, wanted: Flags, order: NDArray[np.int64]) -> tuple[float, Condition, int] | None:
    """Return the condition of largest gain among the samples held: bits saved in saying which of them are wanted.

    Args:
        terms: what is compared.
        wanted: shape (n,).
        order: the samples held in the order of each term, shape (terms, held).
    """
    count, right = order.shape[1], int(wanted[order[0]].sum())
    if not right or right == count:
        return None
    ordered = np.take_along_axis(terms.values, order, axis=1)
    known = np.isfinite(ordered)
    below, below_yes = np.cumsum(known, axis=1), np.cumsum(wanted[order] & known, axis=1)
    total, total_yes = below[:, -1:], below_yes[:, -1:]
    # A cut lies between two samples of different value; what is missing is at the end.
    cut = np.zeros(order.shape, np.bool_)
    np.greater(ordered[:, 1:], ordered[:, :-1], out=cut[:, :-1])
    base = math.log2(right / count)
    best: tuple[float, Condition, int] | None = None
    for at_least in (False, True):
        p = (total_yes - below_yes) if at_least else below_yes
        n = (total - below) if at_least else below
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(cut & (n >= FEWEST) & (p > 0), p * (np.log2(p / n) - base), -np.inf)
        index = int(np.argmax(gain))
        term, position = divmod(index, gain.shape[1])
        value = float(gain[term, position])
        if np.isfinite(value) and (best is None or value > best[0]):
            low, high = float(ordered[term, position]), float(ordered[term, position + 1])
            limit = between(low, high, high if at_least else low)
            kind, first, second = terms.named[term]
            best = (value, Condition(kind, first, second, at_least, limit), term)
    return best


def between(low: float, high: float, otherwise: float) -> float:
    """Return a float32 between two neighbours that tells them apart, as short as it can be said; else `otherwise`."""
    for digits in range(2, 9):
        middle = float(np.float32(f"{(low + high) / 2:.{digits}g}"))
        if low < middle < high:
            return middle
    return otherwise
