"""Sum of two values: both brought to twice the larger scale with 20 more bits, added, brought to the output's scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.requantise import quantise_multiplier, twice
from edgewright.core.kernels import Function, Site, clamped, extended, finished
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Add",)
# Bits of fraction while adding: 255 << 20 fits into 32 bits with the sum's bit to spare.
EXTRA_BITS = 20


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Add of two values of one shape."""
    return IntegerOperator(kind="add", inputs=(), output=-1), site.source.shape


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers of the first, the second and the output, all from float64; the same for both roundings."""
    del rounding
    scales = [np.float64(np.float32(v.scale)) for v in inputs]
    most = 2.0 * max(scales)
    target = np.float64(np.float32(output.scale)) * (1 << EXTRA_BITS)
    multiplier, shift = quantise_multiplier(np.array([scales[0] / most, scales[1] / most, most / target]))
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """Two of (n, *shape) -> (n, *shape), from a table of every pair of bytes."""
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    parts = [
        twice((np.arange(-128, 128) - value.zero) << EXTRA_BITS, multiplier[i], shift[i])
        for i, value in enumerate(inputs)
    ]
    total = parts[0][:, None] + parts[1]
    table = finished(twice(total, multiplier[2], shift[2]), operator, output)
    table = np.roll(table, (-128, -128), axis=(0, 1)).ravel()

    def run(a: Array, b: Array) -> Array:
        pair = np.ascontiguousarray(a).view(np.uint8).astype(np.intp)
        pair <<= 8
        pair |= np.ascontiguousarray(b).view(np.uint8)
        return np.take(table, pair)

    return run
