"""What leaves a device: a change of bounded norm, with noise by choice."""

from __future__ import annotations

import math
import secrets

import numpy as np

from edgewright.core.adaptation.factory import Numbers


def clipped(change: Numbers, clip: int) -> Numbers:
    """Return the change with a Euclidean norm of at most `clip`; numbers are rounded towards zero.

    Args:
        change: shape (length,).
        clip: in steps of a weight.
    """
    norm = math.sqrt(int((change.astype(object) ** 2).sum()))
    if norm <= clip:
        return change
    shorter: Numbers = np.trunc(change * (clip / norm * (1 - 1e-12))).astype(np.int64)
    return shorter


def noised(change: Numbers, deviation: int) -> Numbers:
    """Return the change with discrete Gaussian noise in each number.

    The sum of several such draws differs from one discrete Gaussian by nothing that counts where each deviation is 8 or
    more (Kairouz, Liu and Steinke, The distributed discrete Gaussian mechanism, ICML 2021).

    Args:
        change: shape (length,).
        deviation: of each draw; 0 for no noise.
    """
    if not deviation:
        return change
    return change + np.array([_gaussian(deviation) for _ in range(len(change))], np.int64)


def _gaussian(deviation: int) -> int:
    """Draw from the discrete Gaussian without floating point (Canonne, Kamath and Steinke, 2020, algorithm 3)."""
    scale = deviation + 1
    while True:
        drawn = _laplace(scale)
        # exp(-(|x| - deviation**2 / scale)**2 / (2 deviation**2)), as a fraction
        top = (abs(drawn) * scale - deviation * deviation) ** 2
        if _is_exponential(top, 2 * deviation * deviation * scale * scale):
            return drawn


def _laplace(scale: int) -> int:
    """Draw from the discrete Laplace distribution of a whole scale (algorithm 2)."""
    while True:
        part = secrets.randbelow(scale)
        if not _is_exponential(part, scale):
            continue
        whole = 0
        while _is_exponential(1, 1):
            whole += 1
        size, negative = part + scale * whole, secrets.randbelow(2)
        if size or not negative:
            return -size if negative else size


def _is_exponential(top: int, bottom: int) -> bool:
    """Return true with probability exp(-top / bottom) (algorithm 1)."""
    while top > bottom:
        if not _is_exponential(bottom, bottom):
            return False
        top -= bottom
    count = 1
    while secrets.randbelow(bottom * count) < top:
        count += 1
    return count % 2 == 1
