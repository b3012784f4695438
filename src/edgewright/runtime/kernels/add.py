"""Sum of two values: both brought to twice the larger scale with 20 more bits, added, brought to the output's scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import quantise_multiplier, twice
from edgewright.runtime.kernels import Site, clamped, extended, finished
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


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """Two of (n, *shape) -> (n, *shape)."""
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    total = np.zeros((), np.int64)
    for i, (value, x) in enumerate(zip(inputs, arrays, strict=True)):
        total = total + twice((x.astype(np.int64) - value.zero) << EXTRA_BITS, multiplier[i], shift[i])
    return finished(twice(total, multiplier[2], shift[2]), operator, output)
