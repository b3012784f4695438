"""Tails of Student's t and of F, which the base install does not bring."""

from __future__ import annotations

import math

_MOST, _NEAR, _TINY = 300, 1e-14, 1e-300


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), to about 1e-12.

    By its continued fraction (Abramowitz and Stegun 26.5.8), evaluated with Lentz's method.

    Args:
        a, b: above 0.
        x: from 0 to 1.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    c, d = 1.0, 1.0 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _not_zero(1 + step * d)
            c = _not_zero(1 + step / c)
            value *= c * d
        if abs(c * d - 1) < _NEAR:
            break
    return front * value / a


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def student_tail(t: float, freedom: float) -> float:
    """P(|T| >= |t|) of Student's t; 0 for an infinite t."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def f_tail(value: float, above: float, below: float) -> float:
    """P(F >= value) of the F distribution with `above` and `below` degrees of freedom."""
    if math.isinf(value):
        return 0.0
    if value <= 0:
        return 1.0
    return incomplete_beta(below / 2, above / 2, below / (below + above * value))
