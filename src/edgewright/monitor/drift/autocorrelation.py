"""How far the mean of some blocks strays by chance, from how much of training's spread their rows show within a block.

Blocks that are few, next to the memory of their rows, all lie on one side of the mean: what they differ among
themselves says too little. But the deviation of training is known, and what the rows of a block do not show of it must
lie between blocks. For a first-order autoregression of memory m, the mean of a stretch of length t has the variance
``2 (x - 1 + exp(-x)) / x^2`` of that of single rows, x = t / m: the covariance exp(-|s| / m) averaged over the stretch.
The share between blocks says how long the memory is, and so what the mean of all of them may do.
"""

from __future__ import annotations

import math

_SMALL, _HALVINGS = 1e-3, 60


def share_between(x: float) -> float:
    """Variance of the mean of a stretch over that of single rows; 1 for none at all, towards 2/x for a long one.

    Args:
        x: length of the stretch in memories, 0 or more.
    """
    if x < _SMALL:
        return 1.0 - x / 3
    if math.isinf(x):
        return 0.0
    return 2 * (x - 1 + math.exp(-x)) / x**2


def memories(between: float) -> float:
    """Length of a block in memories, from the share of the variance that lies between blocks.

    Args:
        between: from 0 (infinitely many memories) to 1 (none).
    """
    if between >= 1:
        return 0.0
    if between <= 0:
        return math.inf
    low, high = 0.0, 2 / between  # the share is below 2/x everywhere
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if share_between(middle) > between:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def strays(within: float, blocks: int) -> float:
    """Standard deviation of the mean of so many blocks, by chance, in deviations of training.

    Args:
        within: mean variance of rows about the mean of their block, over the variance of training.
        blocks: one after the other.
    """
    return math.sqrt(share_between(blocks * memories(1 - within)))


def normal_tail(away: float, spread: float) -> float:
    """P of a normal value as far from 0 on either side; 0 where it has no spread."""
    return math.erfc(abs(away) / spread / math.sqrt(2)) if spread > 0 else 0.0
