"""From one grid of bytes to another, rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.requantise import quantise_multiplier, twice
from edgewright.core.kernels import Function, extended, finished
from edgewright.core.kernels._rounding import byte_table
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The scales' ratio as a multiplier."""
    del rounding
    ratio = np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    return extended(operator, multiplier=multiplier, shift=shift)


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape)."""
    x = np.arange(-128, 128) - inputs[0].zero
    return byte_table(finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output))
