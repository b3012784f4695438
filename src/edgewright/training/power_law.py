"""How an error falls with the amount of data: a power law above a floor, and what it says of sizes not yet tried.

error(n) = level * (floor + (1 - floor) * (n / last)^-exponent), the form of Hestness et al., 'Deep learning scaling is
predictable, empirically' (2017), with the irreducible part as a share of the error at the largest size measured. The
parameters are not picked but weighed: a grid over floor and exponent, each with its likelihood on the logarithm of
the errors and the level integrated out, so that a prediction carries what the points leave open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError

Floats = NDArray[np.float64]
FLOORS = np.linspace(0.0, 0.95, 39)
EXPONENTS = np.linspace(0.0, 1.5, 61)
# No curve is a power law all along: a point is allowed to lie off it, in logarithm, by one of these at one doubling
# from the largest size, and by the root of the doublings more or less elsewhere; what is predicted as well. So near
# points decide, and a curve whose points contradict every power law is promised less of. The weights before anything
# was measured were chosen on other data than the method was evaluated on.
MISFITS = np.array([0.02, 0.04, 0.08, 0.16])
_LIKELY = np.array([0.45, 0.35, 0.15, 0.05])
# Errors are counted on samples, and no point is surer than this.
_SUREST = 0.004
# Weights that change no quantile, and halvings that find one to a millionth of a millionth of where it is looked for.
_NOTHING, _HALVINGS = 1e-9, 40
# Exponents of published learning curves lie between .07 and .5, those of small data above; the weight falls to a third
# at 0 and .8.
_TYPICAL, _WIDTH = 0.4, 0.28


@dataclass(frozen=True)
class Predicted:
    """An error at a size, with the interval of the probability that was asked for."""

    size: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerLaw:
    """A weighed family of curves.

    Attributes:
        last: largest size measured.
        weights: shape (misfits, floors, exponents), sum 1.
        levels: shape (misfits, floors, exponents), mean of the logarithm of the error at `last`.
        spreads: shape (misfits, 1, 1), standard deviation of that logarithm.
        noise: standard deviation of the logarithm of one more measurement at the largest size.
        lowest: error that was measured; no floor lies above it.
    """

    last: float
    weights: Floats
    levels: Floats
    spreads: Floats
    noise: float
    lowest: float

    @property
    def exponent(self) -> float:
        """Mean over what is weighed."""
        return float((self.weights * EXPONENTS).sum())

    def exponents(self, probability: float = 0.9) -> tuple[float, float]:
        """Interval of the exponent."""
        weights = self.weights.sum(axis=(0, 1))
        sums = np.cumsum(weights)
        low = EXPONENTS[np.searchsorted(sums, (1 - probability) / 2)]
        high = EXPONENTS[min(len(EXPONENTS) - 1, int(np.searchsorted(sums, (1 + probability) / 2)))]
        return float(low), float(high)

    @property
    def floor(self) -> float:
        """Mean of the error that no amount of data removes."""
        return min(self.lowest, float((self.weights * FLOORS[:, None] * np.exp(self.levels)).sum()))

    def at(self, size: float, probability: float = 0.9, *, measured: bool = True) -> Predicted:
        """Return the error at a size.

        Args:
            size: positive, beyond the largest measured or within.
            probability: of the interval.
            measured: whether the interval is of a new measurement, noise included, or of the curve itself.
        """
        means = self.levels + np.log(_shape(np.asarray([size / self.last])))[..., 0]
        extra = _misfit(np.asarray([size / self.last])) + (self.noise**2 if measured else 0.0)
        deviations = np.broadcast_to(np.sqrt(self.spreads**2 + extra[:, :, None]), means.shape)
        low, middle, high = (
            float(np.exp(_mixture_quantile(means.ravel(), deviations.ravel(), self.weights.ravel(), q)))
            for q in ((1 - probability) / 2, 0.5, (1 + probability) / 2)
        )
        return Predicted(size, middle, low, high)


def fit_power_law(sizes: Floats, errors: Floats, deviations: Floats, noise: float | None = None) -> PowerLaw:
    """Weigh the curves by what was measured.

    Args:
        sizes: shape (k,), positive, k of at least 3 different ones.
        errors: shape (k,), positive: error rate, 1 - average precision, RMSE, ...
        deviations: shape (k,), standard deviation of each error (of its mean where it was repeated), same unit.
        noise: standard deviation of what is measured at the size that is predicted, as a share of it; that of the
            largest size when None.

    Raises:
        InputError: fewer than three sizes, or errors that are not above zero.
    """
    if len(np.unique(sizes)) < 3:
        raise LayerSettingsError("at least three sizes of data", str(len(np.unique(sizes))), "learning curve")
    if not (np.isfinite(errors).all() and (errors > 0).all()):
        raise LayerSettingsError(
            "errors above zero", f"{errors.min():g}", "learning curve",
            "No sample is wrong, so no gain is measurable: train on fewer samples, or test on more",
        )  # fmt: skip
    last = float(sizes.max())
    y = np.log(errors)
    relative = deviations / errors
    variance = (relative**2 + _misfit(sizes / last) + _SUREST**2)[:, None, None, :]
    residual = y - np.log(_shape(sizes / last))
    total = (1.0 / variance).sum(axis=-1)
    levels = (residual / variance).sum(axis=-1) / total
    squares = ((residual - levels[..., None]) ** 2 / variance).sum(axis=-1)
    logs = -0.5 * (squares + np.log(variance).sum(axis=-1) + np.log(total)) + _prior()
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    if noise is None:
        noise = float(relative[np.argmax(sizes)])
    return PowerLaw(last, weights, levels, total**-0.5, noise, float(errors.min()))


def _misfit(ratio: Floats) -> Floats:
    """Variance of the logarithm of the error about any power law, shape (misfits, ratios)."""
    misfit: Floats = MISFITS[:, None] ** 2 * np.abs(np.log2(ratio))
    return misfit


def _shape(ratio: Floats) -> Floats:
    """error(n) / error(last), shape (floors, exponents, sizes)."""
    powers = ratio ** -EXPONENTS[:, None]
    return FLOORS[:, None, None] + (1 - FLOORS[:, None, None]) * powers


def _prior() -> Floats:
    """Logarithm of the weight before anything was measured, shape (misfits, floors, exponents).

    Published exponents are likelier, and so are floors near the error of the largest size: measured curves bend upwards
    more often than a straight line through their steep beginning would have it.
    """
    prior: Floats = (
        np.log(_LIKELY)[:, None, None] - 1.5 * np.log1p(-FLOORS)[:, None] - 0.5 * ((EXPONENTS - _TYPICAL) / _WIDTH) ** 2
    )
    return prior


def _normal(z: Floats) -> Floats:
    """Distribution function of the normal law; Abramowitz and Stegun 7.1.26 is off by 1.5e-7 at most."""
    x = np.abs(z) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    erf = 1 - tail * np.exp(-(x**2))
    return np.asarray(0.5 * (1 + np.sign(z) * erf))


def _mixture_quantile(means: Floats, deviations: Floats, weights: Floats, q: float) -> float:
    # Most curves of the grid weigh nothing: all that is left out together is less than a hundred-thousandth.
    some = weights > _NOTHING * weights.max()
    means, deviations, weights = means[some], deviations[some], weights[some] / weights[some].sum()
    low, high = float((means - 8 * deviations).min()), float((means + 8 * deviations).max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if float((weights * _normal((middle - means) / deviations)).sum()) < q:
            low = middle
        else:
            high = middle
    return (low + high) / 2
