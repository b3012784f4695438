"""How sure the points of a learning curve are, judged by how much one draw of the data differs from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.curve import CurvePoint
from edgewright.schema.trace import Interval
from edgewright.training.power_law import PowerLaw, fit_power_law

LEVEL = 0.8
# Intervals of the weighed laws, widened until 80 of 100 held on other curves: the quantile that split conformal
# prediction owes, of 32 predictions on five other sets of data (docs/adr/0045-learning-curves.md).
WIDER = 1.18
METHOD = "weighted power laws, 80 %, widened to match other measured curves"
# An answer that leaves a third of the error open decides nothing.
WIDEST = 1 / 3
# So many wrong answers know their own error rate to within a third: 2 * 1.645 / root(98) = 1/3.
FEWEST_WRONG = 98


def promised(law: PowerLaw, size: float, *, measured: bool = True) -> Interval:
    """Return the error at a size, with the interval that a curve promises.

    Args:
        law: of the points.
        size: that is asked about.
        measured: whether the interval is of what training on other samples gives, or of the curve itself.
    """
    prediction = law.at(size, LEVEL, measured=measured)
    low, high = (
        prediction.value * (prediction.low / prediction.value) ** WIDER,
        prediction.value * (prediction.high / prediction.value) ** WIDER,
    )
    return Interval(value=prediction.value, low=low, high=high, method=METHOD)


def why_unanswerable(interval: Interval, wrong: float | None) -> str:
    """Why a prediction says too little, known before anything larger is measured; empty where it says enough.

    Args:
        interval: the prediction.
        wrong: wrong answers at the largest size; None where errors are no counts.
    """
    if wrong is not None and wrong < FEWEST_WRONG:
        return f"{wrong:.0f} wrong answers measure it; at least {FEWEST_WRONG} are needed"
    width = (interval.high - interval.low) / interval.value
    return f"its interval is {width:.2f} of the error wide; at most {WIDEST:.2f} is allowed" if width > WIDEST else ""


Floats = NDArray[np.float64]
# The variance of a draw falls with its size to a power, as that of a mean to the first. It is judged with an open mind,
# since as a share of the error it may even grow: few wrong answers change by more of themselves.
_POWERS = np.linspace(-0.4, 2.4, 57)
_LIKELIEST, _WIDTH = 1.0, 0.6
# Sizes near the largest count for more when that variance is judged: by their share to this power.
_NEAR = 0.5
# Of twice the data half is what there was already, so what is measured there is off by half of the variance of a draw.
_NEW = 0.5


@dataclass(frozen=True)
class Noise:
    """Standard deviations as shares of the errors.

    Attributes:
        points: of the mean at each size.
        next: of what is measured at twice the largest size, over what the largest size leads to.
    """

    points: Floats
    next: float


def noise_of(points: Sequence[CurvePoint]) -> Noise:
    """Return the noise of points, smallest size first, all drawn from what the largest has.

    Draws of a share f of the same samples differ by (1 - f) of the variance that fresh draws would have; the variance
    of fresh draws is taken to fall as a power of the size that is judged from all sizes together. What all draws have
    in common, such as the samples that judge, lifts or lowers the whole curve alike and makes no point less sure than
    another. At the largest size there is one draw: its repeats are seeds of the model.
    """
    sizes = np.array([point.size for point in points])
    share = sizes / sizes.max()
    counts = np.array([len(point.errors) for point in points])
    relative = [np.array(point.errors) / point.mean if point.mean > 0 else np.zeros(1) for point in points]
    found = np.array([float(one.var(ddof=1)) if len(one) > 1 else 0.0 for one in relative])
    freedom = np.maximum(counts - 1, 0).astype(np.float64)
    inner = (share < 1) & (freedom > 0)
    seeds = found[-1] / counts[-1]
    if not inner.any():
        return Noise(np.sqrt(np.full(len(points), seeds)), float(np.sqrt(seeds)))
    counting = freedom[inner] * share[inner] ** _NEAR
    fresh = _fresh(share[inner], found[inner] / (1 - share[inner]), counting)
    one = fresh[0] * share ** -fresh[1]
    variances = np.where(share < 1, one * (1 - share) / counts, seeds)
    return Noise(np.sqrt(variances), float(np.sqrt(_NEW * fresh[0] + seeds)))


def _fresh(share: Floats, found: Floats, freedom: Floats) -> tuple[float, float]:
    """Variance of a fresh draw of everything, and the likeliest of some powers by which it grows for less."""
    scaled = found[None, :] * share[None, :] ** _POWERS[:, None]
    one = np.maximum((scaled * freedom).sum(axis=1) / freedom.sum(), 1e-12)
    expected = one[:, None] * share[None, :] ** -_POWERS[:, None]
    logs = -0.5 * (freedom * (np.log(expected) + found / expected)).sum(axis=1)
    logs -= 0.5 * ((_POWERS - _LIKELIEST) / _WIDTH) ** 2
    best = int(np.argmax(logs))
    return float(one[best]), float(_POWERS[best])


def law_of(points: Sequence[CurvePoint]) -> PowerLaw:
    """Return the power laws that fit, each point as sure as its repeats make it."""
    ordered = sorted(points, key=lambda point: point.size)
    noise = noise_of(ordered)
    means = np.array([point.mean for point in ordered])
    return fit_power_law(np.array([point.size for point in ordered]), means, noise.points * means, noise.next)
