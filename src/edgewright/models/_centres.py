"""Training samples that a model keeps, and how near others are to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fewest of a class, as a share of what it would have if all had as many.
_RARE = 0.1


def draw_rows(target: NDArray[Any], classes: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw so many samples, in their order: of every class its share, but not fewer than a tenth of an equal share.

    Args:
        target: (n,) class numbers, or amounts where `classes` is 0.
        classes: number of classes.
        count: how many; all are taken where there are not more.
        seed: seed of the generator.
    """
    if len(target) <= count:
        return np.arange(len(target))
    rng = np.random.default_rng(seed)
    if not classes:
        return np.sort(rng.choice(len(target), count, replace=False))
    counts = np.bincount(target, minlength=classes)
    wanted = np.maximum(counts / counts.sum(), _RARE / classes)
    sizes = np.minimum(np.floor(wanted / wanted.sum() * count), counts).astype(np.int64)
    chosen = [rng.choice(np.flatnonzero(target == c), int(sizes[c]), replace=False) for c in range(classes)]
    return np.sort(np.concatenate(chosen))


def draw_shares(target: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Draw about so many samples, in their order: of every class or size its share, and one of each rarer class.

    Args:
        target: (n,) class numbers or amounts.
        count: fewer than there are.
        seed: seed of the generator.
    """
    order = np.random.default_rng(seed).permutation(len(target))
    order = order[np.argsort(target[order], kind="stable")]
    chosen = order[np.arange(count) * len(order) // count]
    if np.issubdtype(target.dtype, np.integer):
        first = np.unique(target[order], return_index=True)[1]
        chosen = np.concatenate([chosen, order[first]])
    return np.unique(chosen)


def nearness(X: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """Return 2 x·c - |c|²: minus the squared distance, but for |x|², which is the same for all centres."""
    products = np.asarray(X @ (2.0 * centres.T))
    products -= (centres**2).sum(axis=1)
    return products
