"""Choosing whole units (people, sessions, chunks of windows) for one side of a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRIES = 300
# Work of one search, in units times classes: a million rows get a few tries, twenty people all of them.
_WORK = 20_000_000
# A class that stands on one side only costs more than any share or mix can.
_MISSING_CLASS = 10.0


def choose(
    units: NDArray[np.int64], strata: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Chooses units whose samples come nearest to a share of all samples with the same mix of classes.

    Several hundred seeded orders of the units are tried: plain shuffles, and shuffles within the class that most of a
    unit's samples have, dealt out evenly. In each the first units up to the share are taken, and the best choice wins.

    Args:
        units: shape (n,), unit of each sample, 0..u-1.
        strata: shape (n,), class of each sample, 0..c-1.
        share: of the samples, between 0 and 1.
        rng: the only source of chance.

    Returns:
        Shape (u,): which units are chosen; None when there are fewer than two units.
    """
    count = int(units.max()) + 1 if len(units) else 0
    if count < 2:
        return None
    classes = int(strata.max()) + 1
    table = np.bincount(units * classes + strata, minlength=count * classes).reshape(count, classes).astype(np.float64)
    total = table.sum(axis=0)
    usual = table.argmax(axis=1)
    best_score, chosen = np.inf, np.zeros(count, dtype=np.bool_)
    for attempt in range(max(2, min(TRIES, _WORK // (count * classes)))):
        # The even deal comes first: for single rows it is the stratified shuffle itself.
        order = rng.permutation(count) if attempt % 2 else _even_deal(usual, rng)
        sums = table[order].cumsum(axis=0)
        taken = int(np.abs(sums[:-1].sum(axis=1) - share * total.sum()).argmin())
        score = _score(sums[taken], total, share)
        if score < best_score:
            best_score, chosen = score, np.zeros(count, dtype=np.bool_)
            chosen[order[: taken + 1]] = True
            if score < 1e-9:
                break
    return chosen


def _even_deal(usual: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """An order in which every prefix has nearly the mix of the whole: ranks within a class, spread over 0..1."""
    order = rng.permutation(len(usual))
    by_class = order[np.argsort(usual[order], kind="stable")]
    sizes = np.bincount(usual)
    rank = np.concatenate([np.arange(size) for size in sizes])
    key = (rank + rng.random(len(sizes))[usual[by_class]]) / sizes[usual[by_class]]
    return np.asarray(by_class[np.argsort(key, kind="stable")], dtype=np.int64)


def _score(taken: NDArray[np.float64], total: NDArray[np.float64], share: float) -> float:
    """Distance from the share plus distance between the mixes (total variation), plus classes on one side only."""
    amount = abs(taken.sum() / total.sum() - share)
    mix = 0.5 * np.abs(taken / taken.sum() - total / total.sum()).sum()
    absent = int(((taken == 0) & (total > 0)).sum() + (taken == total)[total > 0].sum() * 3)
    return float(amount + mix + _MISSING_CLASS * absent)
