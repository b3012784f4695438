"""The measures of `spectral`, each a formula over one channel's power spectrum."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.formula import Value, exp, largest, log, matmul, mean, reshape, sqrt, total

# Keeps p log p at 0 for an empty bin; smaller than any share a float32 sum over a spectrum can tell from 0.
_NO_SHARE = 1e-9


class Spectrum:
    """Intermediate results that several measures share, computed when first asked for.

    Args:
        power: shape (n, channels, bins).
        frequencies: Hz of each bin.
        guard: power added before a division, for each channel.
    """

    def __init__(self, power: Value, frequencies: NDArray[np.float64], guard: NDArray[np.float32]) -> None:
        self.power = power
        self.frequencies = frequencies
        self.guard = guard

    @cached_property
    def energy(self) -> Value:
        """Power of all bins, (n, channels)."""
        return total(self.power, 2)

    @cached_property
    def shares(self) -> Value:
        """Each bin's share of the power; they sum to 1 less what the guard takes."""
        return self.power / reshape(self.energy + self.guard, (0, -1, 1))

    @cached_property
    def centroid(self) -> Value:
        """Mean frequency in Hz."""
        return self.weigh(self.shares, self.frequencies)

    def weigh(self, weights: Value, values: NDArray[np.float64]) -> Value:
        """Sum over the bins of weights times values."""
        return reshape(matmul(weights, values.astype(np.float32)[:, None]), (0, -1))


def _peak(s: Spectrum) -> Value:
    """Dominant frequency in Hz: the mean of the frequencies weighted by the eighth power of their height.

    The place of the largest bin would jump between float32 and float64 where two bins are nearly as high. The
    eighth power leaves a bin of half the height 1/256 of the weight, and changes as smoothly as the spectrum.
    """
    height = s.power / reshape(largest(s.power, 2) + s.guard, (0, -1, 1))
    second = height * height
    fourth = second * second
    eighth = fourth * fourth
    # A silent channel has no dominant frequency: its weights vanish against 1e-6 and the answer tends to 0.
    return s.weigh(eighth, s.frequencies) / (total(eighth, 2) + 1e-6)


def _spread(s: Spectrum) -> Value:
    """Deviation of the frequencies around the centroid, in Hz."""
    distance = -reshape(s.centroid, (0, -1, 1)) + s.frequencies.astype(np.float32)
    return sqrt(total(s.shares * distance * distance, 2))


def _entropy(s: Spectrum) -> Value:
    """Shannon entropy of the shares over its largest value, the logarithm of the number of bins."""
    return total(s.shares * log(s.shares + _NO_SHARE), 2) * (-1.0 / np.log(len(s.frequencies)))


def _flatness(s: Spectrum) -> Value:
    """Geometric over arithmetic mean of the powers (Johnston, IEEE JSAC 6, 1988)."""
    guard = s.guard[:, None] * np.float32(1.0 / len(s.frequencies))
    return exp(mean(log(s.power + guard), 2)) / (mean(s.power, 2) + guard[:, 0])


MEASURES: dict[str, Callable[[Spectrum], Value]] = {
    "energy": lambda s: s.energy,
    "peak": _peak,
    "peak_power": lambda s: largest(s.power, 2),
    "centroid": lambda s: s.centroid,
    "spread": _spread,
    "entropy": _entropy,
    "flatness": _flatness,
}

# Powers, of which a logarithm can be taken.
POSITIVE = ("bands", "energy", "peak_power")
