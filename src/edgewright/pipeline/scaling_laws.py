"""What the points of a comparison over data sizes say: powers of cost, power laws of the error, where curves cross."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from edgewright.schema.trace import Interval, ScalingPoint
from edgewright.schema.trace_flow import BreakEven, ErrorLaw
from edgewright.training.power_law import fit_power_law

_COSTS = ("seconds", "cpu_seconds", "peak_bytes", "latency_us")
_LEVEL = 0.9
_FEWEST = 3
_DRAWS = 2000
Floats = NDArray[np.float64]


def exponents(points: Sequence[ScalingPoint]) -> dict[str, float]:
    """Slope of log(cost) over log(rows), by least squares: cost grows as rows to that power."""
    if len(points) < 2:
        return {}
    x = np.log([p.rows for p in points])
    return {cost: float(np.polyfit(x, np.log(values), 1)[0]) for cost, values in _positive(points).items()}


def exponent_intervals(points: Sequence[ScalingPoint]) -> dict[str, Interval]:
    """Return the exponents with 90 % intervals (Student's t on the residuals); none for fewer than three sizes."""
    if len(points) < _FEWEST:
        return {}
    x = np.log([p.rows for p in points])
    centred = x - x.mean()
    freedom = len(points) - 2
    made: dict[str, Interval] = {}
    for cost, values in _positive(points).items():
        y = np.log(values)
        slope = float(centred @ y / (centred @ centred))
        left = y - y.mean() - slope * centred
        error = math.sqrt(float(left @ left) / freedom / float(centred @ centred))
        half = float(student.ppf(0.5 + _LEVEL / 2, freedom)) * error
        method = f"least squares of logarithms, t with {freedom} degrees of freedom, 90 %"
        made[cost] = Interval(value=slope, low=slope - half, high=slope + half, method=method)
    return made


def _positive(points: Sequence[ScalingPoint]) -> dict[str, Floats]:
    found = {cost: np.asarray([getattr(p, cost) for p in points], np.float64) for cost in _COSTS}
    return {cost: values for cost, values in found.items() if (values > 0).all()}


def error_law(sizes: Sequence[int], right: Sequence[Floats]) -> ErrorLaw | None:
    """Return the power laws of an architecture's error; None for fewer than three sizes or where nothing is wrong.

    Args:
        sizes: rows, ascending.
        right: of each size, shape (test samples,): whether an answer is right, or the negative squared error.
    """
    share = all(float(one.min()) >= 0 for one in right)
    wrong = [1 - one if share else -one for one in right]
    errors = np.array([float(one.mean()) for one in wrong])
    if len(sizes) < _FEWEST or not (errors > 0).all():
        return None
    # Every size is judged by the same samples, but trained once: another training would differ by about as much.
    deviations = np.array([float(one.std(ddof=1)) / math.sqrt(len(one)) for one in wrong])
    law = fit_power_law(np.asarray(sizes, np.float64), errors, deviations)
    prediction = law.at(2.0 * law.last, _LEVEL)
    low, high = law.exponents(_LEVEL)
    method = "weighted power laws, 90 %"
    return ErrorLaw(
        exponent=Interval(value=law.exponent, low=low, high=high, method=method),
        floor=law.floor,
        at=prediction.size,
        predicted=Interval(value=prediction.value, low=prediction.low, high=prediction.high, method=method),
    )


def break_even(sizes: Sequence[int], gains: Sequence[Floats], seed: int) -> BreakEven:
    """From where the larger architecture is the better one at every larger size.

    Args:
        sizes: rows, ascending.
        gains: of each size, shape (test samples,): what it gets right and the smaller does not, paired.
        seed: of the draws about each gain that make the interval.
    """
    x = np.log(np.asarray(sizes, np.float64))
    means = np.array([float(one.mean()) for one in gains])
    errors = np.array([float(one.std(ddof=1)) / math.sqrt(len(one)) if len(one) > 1 else 0.0 for one in gains])
    drawn = means + errors * np.random.default_rng(seed).standard_normal((_DRAWS, len(sizes)))
    found = np.array([_crossing(x, row) for row in drawn])
    low, high = np.quantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], method="nearest")
    return BreakEven(rows=_rows(_crossing(x, means)), low=_rows(low), high=_rows(high))


def _crossing(x: Floats, gains: Floats) -> float:
    """Logarithm of the rows after which every gain is above zero; minus infinity when all are, infinity when none."""
    if gains[-1] <= 0:
        return math.inf
    below = np.flatnonzero(gains <= 0)
    if not len(below):
        return -math.inf
    last = int(below[-1])
    part = -gains[last] / (gains[last + 1] - gains[last])
    return float(x[last] + part * (x[last + 1] - x[last]))


def _rows(logarithm: float) -> float | None:
    return float(math.exp(logarithm)) if math.isfinite(logarithm) else None
