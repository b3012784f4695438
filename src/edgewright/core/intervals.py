"""The interval around a predicted amount: what a package carries of how far its predictions were off."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError
from edgewright.schema.package import IntervalSpec

F = TypeVar("F", bound=np.floating)


def around(spec: IntervalSpec, predictions: NDArray[F]) -> tuple[NDArray[F], NDArray[F]]:
    """Return both ends of the interval of each prediction, in the precision of the predictions; NaN gives NaN.

    In float32 this is what NAME_interval of generated C computes, to the bit.

    Args:
        spec: of the package.
        predictions: shape (n,).
    """
    edges, low, high = (np.asarray(values, predictions.dtype) for values in (spec.edges, spec.low, spec.high))
    part = np.searchsorted(edges, predictions)
    return predictions + low[part], predictions + high[part]


def check_interval(spec: IntervalSpec, where: str) -> None:
    """Refuse an interval that cannot be read.

    Raises:
        InputError: a level outside 0 to 1, edges out of order, or ends that are missing, not finite or crossed.
    """
    if not 0 < spec.level < 1:
        raise InputError("a level between 0 and 1", f"{spec.level:g}", f"{where}.level")
    parts = len(spec.edges) + 1
    if len(spec.low) != parts or len(spec.high) != parts:
        raise InputError(f"both ends of {parts} parts", f"{len(spec.low)} and {len(spec.high)}", where)
    if not all(math.isfinite(value) for value in (*spec.edges, *spec.low, *spec.high)):
        raise InputError("finite numbers", "others", where)
    if list(spec.edges) != sorted(set(spec.edges)) or any(a > b for a, b in zip(spec.low, spec.high, strict=True)):
        raise InputError("edges that rise, and lower ends below upper ones", "others", where)
