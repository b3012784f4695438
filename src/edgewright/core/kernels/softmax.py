"""Softmax over the last axis in fixed point; LiteRT's reference kernel and TFLM do the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.fixed_point import exp_of_negative, one_over_one_plus
from edgewright.core.integer.requantise import INT32_MAX, divide_by_power, high_product, quantise_multiplier
from edgewright.core.kernels import Function, Site, extended
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Softmax",)
DIFFERENCE_BITS = 5
SUM_BITS = 12


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Softmax of a row."""
    return IntegerOperator(kind="softmax", inputs=(), output=-1), site.source.shape


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """A table of exp(difference) for differences 0 to -255, 0 where it is too small to count.

    Raises:
        InputError: when the output's scale is not 1/256 or its zero point not -128.
    """
    del rounding
    if (output.scale, output.zero) != (1.0 / 256.0, -128):
        raise InputError("scale 1/256 and zero point -128", f"{output.scale:g} and {output.zero}", "softmax")
    real = min(np.float64(np.float32(inputs[0].scale)) * 2.0 ** (31 - DIFFERENCE_BITS), 2.0**31 - 1.0)
    multiplier, shift = quantise_multiplier(real)
    smallest = np.floor((2.0**DIFFERENCE_BITS - 1) * 2.0 ** (31 - DIFFERENCE_BITS) / 2.0 ** int(shift[0]))
    down = np.arange(256, dtype=np.int64)
    counted = down <= smallest
    raised = high_product(np.where(counted, -down, 0) << shift, multiplier)
    table = np.where(counted, exp_of_negative(raised, DIFFERENCE_BITS), -1)
    return extended(operator, table=table.astype(np.int64))


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, ..., classes) -> (n, ..., classes)."""
    del inputs, output
    table = operator.arrays["table"]

    def run(x: Array) -> Array:
        x = x.astype(np.int64)
        powers = table[x.max(axis=-1, keepdims=True) - x]
        counted = powers >= 0
        total = np.where(counted, divide_by_power(powers, SUM_BITS), 0).sum(axis=-1, keepdims=True)
        # frexp gives the number of bits of a whole number.
        headroom = 32 - np.frexp(total)[1].astype(np.int64)
        reciprocal = one_over_one_plus((total << headroom) - (1 << 31))
        exponent = SUM_BITS - headroom + 31 - 8
        value = divide_by_power(high_product(reciprocal, np.minimum(powers, INT32_MAX)), exponent)
        return np.where(counted, np.clip(value - 128, -128, 127), -128).astype(np.int8)

    return run
