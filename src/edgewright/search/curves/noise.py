"""Uncertainty of the points of a learning curve, estimated from the variance between draws of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.advice import CurvePoint
from edgewright.schema.trace import Interval
from edgewright.training.power_law import PowerLaw, fit_power_law

LEVEL = 0.8
# Factor that widens the intervals of the weighted power laws to 80 % coverage: the split conformal quantile of 32
# predictions on five other data sets (docs/adr/0045-learning-curves.md).
INTERVAL_FACTOR = 1.18
_METHOD = "weighted power laws, {:.0f} %, widened to match other measured curves"
# A prediction interval wider than one third of the error is too wide to decide anything.
MAX_RELATIVE_WIDTH = 1 / 3
# With this many wrong answers the 90 % CI of the error rate is one third of the rate wide: 2 * 1.645 / sqrt(98) = 1/3.
FEWEST_WRONG = 98


def predict_interval(law: PowerLaw, size: float, *, measured: bool = True, level: float = LEVEL) -> Interval:
    """Return the predicted error at a size with its interval; its factor was calibrated at 80 %.

    Args:
        law: power law of the points.
        size: size to predict.
        measured: whether the interval covers a new measurement on other samples, or only the curve itself.
        level: probability of the interval.
    """
    prediction = law.at(size, level, measured=measured)
    low, high = (
        prediction.value * (prediction.low / prediction.value) ** INTERVAL_FACTOR,
        prediction.value * (prediction.high / prediction.value) ** INTERVAL_FACTOR,
    )
    return Interval(value=prediction.value, low=low, high=high, method=_METHOD.format(100 * level))


def uncertainty_reason(interval: Interval, wrong: float | None) -> str:
    """Return why a prediction is too uncertain to use; empty where it is precise enough.

    Args:
        interval: prediction interval.
        wrong: number of wrong answers at the largest size; None where errors are not counts.
    """
    if wrong is not None and wrong < FEWEST_WRONG:
        return f"only {wrong:.0f} test answers are wrong; at least {FEWEST_WRONG} are needed"
    width = (interval.high - interval.low) / interval.value
    if width > MAX_RELATIVE_WIDTH:
        return (
            f"its interval spans {100 * width:.0f} % of the error; at most {100 * MAX_RELATIVE_WIDTH:.0f} % is allowed"
        )
    return ""


Floats = NDArray[np.float64]
# The variance of a draw falls as a power of its size; the variance of a mean falls with power 1. The prior on the power
# is wide, because the variance relative to the error can also grow where few answers are wrong.
_POWERS = np.linspace(-0.4, 2.4, 57)
_LIKELIEST, _WIDTH = 1.0, 0.6
# Weight of a size in the variance estimate: its fraction of the largest size to this power.
_NEAR = 0.5
# Half of twice the data is already known, so a measurement there has half of the variance of a draw.
_NEW = 0.5


@dataclass(frozen=True)
class Noise:
    """Standard deviations relative to the errors.

    Attributes:
        points: relative standard deviation of the mean at each size.
        next: relative standard deviation of a measurement at twice the largest size.
    """

    points: Floats
    next: float


def noise_of(points: Sequence[CurvePoint]) -> Noise:
    """Return the noise of points, smallest size first, whose samples are all drawn from those of the largest size.

    Draws of a fraction f of the same samples have (1 - f) times the variance of independent draws. The variance of
    independent draws is modelled as a power of the size, fitted to all sizes together. An effect common to all draws,
    such as the choice of test samples, shifts the whole curve and is ignored. The largest size has one draw; its
    repeats differ only by the seed of the model.
    """
    sizes = np.array([point.size for point in points])
    share = sizes / sizes.max()
    counts = np.array([len(point.errors) for point in points])
    relative = [np.array(point.errors) / point.mean if point.mean > 0 else np.zeros(1) for point in points]
    spreads = np.array([float(repeats.var(ddof=1)) if len(repeats) > 1 else 0.0 for repeats in relative])
    freedom = np.maximum(counts - 1, 0).astype(np.float64)
    inner = (share < 1) & (freedom > 0)
    seeds = spreads[-1] / counts[-1]
    if not inner.any():
        return Noise(np.sqrt(np.full(len(points), seeds)), float(np.sqrt(seeds)))
    counting = freedom[inner] * share[inner] ** _NEAR
    fresh = _fresh(share[inner], spreads[inner] / (1 - share[inner]), counting)
    repeats = fresh[0] * share ** -fresh[1]
    variances = np.where(share < 1, repeats * (1 - share) / counts, seeds)
    return Noise(np.sqrt(variances), float(np.sqrt(_NEW * fresh[0] + seeds)))


def _fresh(share: Floats, variances: Floats, freedom: Floats) -> tuple[float, float]:
    """Return the variance of an independent draw of full size, and the likeliest power by which it grows for less."""
    scaled = variances[None, :] * share[None, :] ** _POWERS[:, None]
    pooled = np.maximum((scaled * freedom).sum(axis=1) / freedom.sum(), 1e-12)
    expected = pooled[:, None] * share[None, :] ** -_POWERS[:, None]
    logs = -0.5 * (freedom * (np.log(expected) + variances / expected)).sum(axis=1)
    logs -= 0.5 * ((_POWERS - _LIKELIEST) / _WIDTH) ** 2
    best = int(np.argmax(logs))
    return float(pooled[best]), float(_POWERS[best])


def law_of(points: Sequence[CurvePoint]) -> PowerLaw:
    """Return the weighted power laws of the points; the repeats of each point set its uncertainty."""
    ordered = sorted(points, key=lambda point: point.size)
    noise = noise_of(ordered)
    means = np.array([point.mean for point in ordered])
    return fit_power_law(np.array([point.size for point in ordered]), means, noise.points * means, noise.next)
