"""Logistic function: a table of 256 bytes. LiteRT fills it in float32, TFLM computes in fixed point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.integer.fixed_point import logistic
from edgewright.core.integer.requantise import divide_by_power, half_away, twice
from edgewright.core.kernels import Function, Site, extended
from edgewright.core.kernels._rounding import byte_table
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Sigmoid",)
INTEGER_BITS = 4


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Sigmoid."""
    return IntegerOperator(kind="logistic", inputs=(), output=-1), site.source.shape


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The table, first entry for -128.

    Raises:
        InputError: when the output's scale is not 1/256 or its zero point not -128.
    """
    if (output.scale, output.zero) != (1.0 / 256.0, -128):
        raise InputError("scale 1/256 and zero point -128", f"{output.scale:g} and {output.zero}", "logistic")
    x = np.arange(-128, 128) - inputs[0].zero
    scale = np.float32(inputs[0].scale)
    table = _floats(x, scale) if rounding == "litert" else _fixed(x, scale)
    return extended(operator, table=np.clip(table - 128, -128, 127).astype(np.int8))


def _floats(x: Array, scale: np.float32) -> Array:
    real = scale * x.astype(np.float32)
    # The C library's expf is right to the last digit nearly always; NumPy's float32 exp is not.
    with np.errstate(over="ignore"):
        power = np.exp(-real.astype(np.float64)).astype(np.float32)
    one = np.float32(1)
    return half_away(one / (one + power) * np.float32(256)).astype(np.int64)


def _fixed(x: Array, scale: np.float32) -> Array:
    fraction, exponent = np.frexp(np.float64(scale) * 2.0 ** (31 - INTEGER_BITS))
    multiplier, shift = int(np.floor(fraction * 2.0**31 + 0.5)), int(exponent)
    radius = int(np.floor((2.0**INTEGER_BITS - 1) * 2.0 ** (31 - INTEGER_BITS) / 2.0**shift))
    inner = np.abs(x) < radius
    raised = twice(np.where(inner, x, 0), multiplier, shift)
    value = divide_by_power(logistic(raised, INTEGER_BITS), 31 - 8)
    return np.where(inner, value, np.where(x > 0, 255, 0))


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape)."""
    del inputs, output
    return byte_table(operator.arrays["table"])
