"""One temperature for all logits, so that 85 % confident means right 85 times in 100.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017: divide the logits by the temperature that gives the
validation samples the largest likelihood. The order of the classes does not change.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.training.losses import Loss

Floats = NDArray[np.floating[Any]]
# Beyond these the validation samples are too few or all right, and a sharper answer would not be honest.
LOWEST, HIGHEST = 0.25, 20.0
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def temperature(logits: Floats, targets: NDArray[Any], loss: Loss) -> float:
    """The temperature of least mean loss, by golden-section search over its logarithm.

    Args:
        logits: shape (n, k), of samples the network was not fitted on.
        targets: class numbers, shape (n,).
        loss: a cross-entropy of `losses`.

    Returns:
        A number between `LOWEST` and `HIGHEST`; 1 when there are no samples.
    """
    if len(targets) == 0:
        return 1.0
    wide, true = np.asarray(logits, np.float64), np.asarray(targets, np.float64)

    def mean_loss(log_temperature: float) -> float:
        return float(np.mean(loss(np, wide / math.exp(log_temperature), true, 0.0)[0]))

    low, high = math.log(LOWEST), math.log(HIGHEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = mean_loss(left), mean_loss(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = mean_loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = mean_loss(right)
    return math.exp((low + high) / 2)
