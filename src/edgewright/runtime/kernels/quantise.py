"""From one grid of bytes to another, rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import quantise_multiplier, twice
from edgewright.runtime.kernels import extended, finished
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The scales' ratio as a multiplier."""
    del rounding
    ratio = np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    return extended(operator, multiplier=multiplier, shift=shift)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, *shape) -> (n, *shape)."""
    x = arrays[0].astype(np.int64) - inputs[0].zero
    return finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output)
