"""The measures of `statistics`, each a formula over one channel's samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.formula import (
    Value,
    absolute,
    clip,
    cut,
    difference,
    largest,
    level,
    log,
    matmul,
    mean,
    relu,
    reshape,
    smallest,
    sqrt,
    total,
)

# Half-width, in deviations, of the band around the mean inside which a crossing counts in part. Wide enough that the
# rounding of a stage before (1e-7 of the level) stays below 1e-5 of a crossing in windows that move.
CROSSING_BAND = 0.5


class Moments:
    """Intermediate results that several measures share, computed when first asked for.

    Args:
        x: shape (n, channels, samples).
        guard: variance added before a division, for each channel.
        samples: of the window.
    """

    def __init__(self, x: Value, guard: NDArray[np.float32], samples: int) -> None:
        self.x = x
        self.guard = guard
        self.samples = samples

    @cached_property
    def once(self) -> tuple[Value, Value]:
        """The mean as one sum gives it, (n, channels, 1), and the samples minus it."""
        first = mean(self.x, 2, keep=True)
        return first, self.x - first

    @cached_property
    def remainder(self) -> Value:
        """Mean of what the first mean left over, (n, channels, 1).

        Sums in float32 keep seven digits. On a large level (an air pressure of 101,325 Pa) the level takes most of
        them; the second pass brings back what they lost (Chan, Golub and LeVeque, 1983: the corrected two-pass
        algorithm).
        """
        return mean(self.once[1], 2, keep=True)

    @cached_property
    def mean(self) -> Value:
        """Mean of the samples, (n, channels)."""
        return reshape(self.once[0] + self.remainder, (0, -1))

    @cached_property
    def centred(self) -> Value:
        """The samples minus the window's mean."""
        return self.once[1] - self.remainder

    @cached_property
    def squares(self) -> Value:
        """Squares of the centred samples."""
        return self.centred * self.centred

    @cached_property
    def variance(self) -> Value:
        """Mean of the squares, (n, channels)."""
        return mean(self.squares, 2)

    @cached_property
    def guarded(self) -> Value:
        """Variance that is never 0 once the guard is learned."""
        return self.variance + self.guard

    @cached_property
    def deviation(self) -> Value:
        """Square root of the guarded variance."""
        return sqrt(self.guarded)

    @cached_property
    def energy(self) -> Value:
        """Mean of the squared samples: the squared mean and the variance, so that a large level cancels nothing."""
        return self.mean * self.mean + self.variance

    @cached_property
    def steps(self) -> Value:
        """Changes from sample to sample."""
        return difference(self.x, 2)


def _zero_crossings(m: Moments) -> Value:
    """Return crossings of the mean: half the total variation of the signal, limited to a band around it.

    A full crossing counts 1; one that turns round inside the band (noise about the mean) counts in part. Counting
    changes of sign would jump by a whole crossing between float32 and float64 where a sample lies at the mean; this
    is continuous, so every form of the pipeline gives the same.
    """
    width = reshape(m.deviation * CROSSING_BAND, (0, -1, 1))
    return total(absolute(difference(clip(m.centred / width, -1.0, 1.0), 2)), 2) * 0.5


def _slope(m: Moments) -> Value:
    """Change over the window of the least-squares line."""
    time = np.arange(m.samples) - (m.samples - 1) / 2
    weights = time / (time @ time) * (m.samples - 1)
    return reshape(matmul(m.centred, weights.astype(np.float32)[:, None]), (0, -1))


def _mobility(m: Moments) -> Value:
    """Root mean square of the changes over deviation of the signal: a mean frequency in radians a sample.

    The square root of the second spectral moment over the zeroth (Hjorth, 1970). Others take the deviation of the
    changes, which leaves out the trend of a window.
    """
    return sqrt(mean(m.steps * m.steps, 2)) / m.deviation


MEASURES: dict[str, Callable[[Moments], Value]] = {
    "mean": lambda m: m.mean,
    "std": lambda m: sqrt(m.variance),
    "min": lambda m: smallest(m.x, 2),
    "max": lambda m: largest(m.x, 2),
    "range": lambda m: largest(m.x, 2) - smallest(m.x, 2),
    "rise": lambda m: largest(m.centred, 2),
    "fall": lambda m: -smallest(m.centred, 2),
    "rms": lambda m: sqrt(m.energy),
    "mean_abs": lambda m: reshape(level(absolute(m.x), 2), (0, -1)),
    "mean_abs_deviation": lambda m: mean(absolute(m.centred), 2),
    "mean_abs_diff": lambda m: mean(absolute(m.steps), 2),
    "energy": lambda m: m.energy,
    "variance": lambda m: m.variance,
    "zero_crossings": _zero_crossings,
    "skewness": lambda m: mean(m.squares * m.centred, 2) / (m.guarded * m.deviation),
    # Pearson's: 3 for a normal distribution.
    "kurtosis": lambda m: mean(m.squares * m.squares, 2) / (m.guarded * m.guarded),
    "slope": _slope,
    "mobility": _mobility,
}

# Those that are never negative and grow with the signal.
POSITIVE = (
    *("std", "range", "rise", "fall", "rms", "mean_abs", "mean_abs_deviation", "mean_abs_diff"),
    *("energy", "variance"),
)
# Those that grow with the signal to both sides.
SIGNED = ("mean", "min", "max", "slope")
# Those that grow with its square.
POWERS = ("energy", "variance")


def signed_log(x: Value, size: NDArray[np.float32]) -> Value:
    """sign(x) log(1 + |x| / size), without an operator for the sign."""
    scaled = x * (1.0 / size).astype(np.float32)
    return log(relu(scaled) + 1.0) - log(relu(-scaled) + 1.0)


def autocorrelation(m: Moments, lag: int) -> Value:
    """Return mean product of the signal with itself `lag` samples later, over the variance.

    The mean is taken over the products that there are, samples - lag (the unbiased estimate of the autocovariance).
    """
    early, late = cut(m.centred, 0, -lag, 2), cut(m.centred, lag, np.iinfo(np.int32).max, 2)
    return mean(early * late, 2) / m.guarded
