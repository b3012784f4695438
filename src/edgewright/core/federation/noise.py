"""Noise that a device adds to what it sends."""

from __future__ import annotations

import secrets

import numpy as np

from edgewright.core.adaptation.factory import Numbers


def noised(signs: Numbers, deviation: int) -> Numbers:
    """Return the signs with discrete Gaussian noise in each number.

    The sum of several such draws differs from one discrete Gaussian by nothing that counts where each deviation is 8 or
    more (Kairouz, Liu and Steinke, The distributed discrete Gaussian mechanism, ICML 2021).

    Args:
        signs: shape (length,).
        deviation: of each draw; 0 for no noise.
    """
    if not deviation:
        return signs
    return signs + np.array([_gaussian(deviation) for _ in range(len(signs))], np.int64)


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
