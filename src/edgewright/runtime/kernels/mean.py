"""Mean over height and width with a scale of its own: one over the count goes into the multiplier, rounded twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import quantise_multiplier, twice
from edgewright.runtime.kernels import Site, extended, finished
from edgewright.schema.graph import Array
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


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, h, w, c) -> (n, 1, 1, c)."""
    total = (arrays[0].astype(np.int64) - inputs[0].zero).sum(axis=(1, 2), keepdims=True)
    return finished(twice(total, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output)
