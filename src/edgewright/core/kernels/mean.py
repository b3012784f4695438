"""Mean over height and width with a scale of its own: one over the count goes into the multiplier, rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.requantise import quantise_multiplier
from edgewright.core.kernels import Function, Site, extended
from edgewright.core.kernels._rounding import rounded_twice
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("GlobalAveragePool",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """GlobalAveragePool; height and width of 1 stay."""
    return IntegerOperator(kind="mean", inputs=(), output=-1), (1, 1, site.graph_shape[0])


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The scales' ratio as a multiplier, shifted up before the whole-number division by the count."""
    del rounding
    count = inputs[0].shape[0] * inputs[0].shape[1]
    multiplier, shift = quantise_multiplier(
        np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    )
    power = min(count.bit_length() - 1, 32, 31 + int(shift[0]))
    return extended(operator, multiplier=(multiplier << power) // count, shift=shift - power)


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, 1, 1, c)."""
    count = inputs[0].shape[0] * inputs[0].shape[1]
    finish = rounded_twice(operator, output, -inputs[0].zero * count, 255 * count)
    return lambda x: finish(x.sum(axis=(1, 2), dtype=np.int32, keepdims=True))
