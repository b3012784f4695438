"""Kernels of single values, most of them tables of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from edgewright.core.arithmetic.requantise import (
    INT32_MAX,
    divide_by_power,
    exp_of_negative,
    half_away,
    high_product,
    logistic,
    one_over_one_plus,
    quantise_multiplier,
    twice,
)
from edgewright.core.kernels import Function, Kernel, Site, clamped, extended, finished, register, same_grid
from edgewright.core.kernels._rounding import byte_table
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

# Sum of two values: both brought to twice the larger scale with 20 more bits, added, brought to the output's scale.

# Bits of fraction while adding: 255 << 20 fits into 32 bits with the sum's bit to spare.
EXTRA_BITS = 20


def _read(kind: str, site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Return an operator without numbers of its own, whose output has the shape of its input."""
    return IntegerOperator(kind=kind, inputs=(), output=-1), site.source.shape


def _prepare_add(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return multipliers of the first, the second and the output, all from float64; the same for both roundings."""
    del rounding
    scales = [np.float64(np.float32(v.scale)) for v in inputs]
    maximum = 2.0 * max(scales)
    target = np.float64(np.float32(output.scale)) * (1 << EXTRA_BITS)
    multiplier, shift = quantise_multiplier(np.array([scales[0] / maximum, scales[1] / maximum, maximum / target]))
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_add(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
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


register("add")(Kernel(_build_add, prepare=_prepare_add, read=partial(_read, "add"), onnx=("Add",)))


# Product of two values, the second of them perhaps one row of channels for all places.


def _prepare_multiply(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the multiplier of both scales over the output's, from float64; the same for both roundings."""
    del rounding
    first, second, target = (np.float64(np.float32(value.scale)) for value in (*inputs, output))
    multiplier, shift = quantise_multiplier(first * second / target)
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_multiply(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) times (n, *shape) or (n, 1, 1, channels) -> (n, *shape)."""
    zeros = [value.zero for value in inputs]
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]

    def run(a: Array, b: Array) -> Array:
        product = (a.astype(np.int64) - zeros[0]) * (b.astype(np.int64) - zeros[1])
        return finished(twice(product, multiplier, shift), operator, output)

    return run


def _read_multiply(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Mul whose first factor has the shape of the product.

    Raises:
        InputError: for another order, or shapes that need rows of both.
    """
    if site.graph_shape != site.graph_out:
        raise InputError("a product with the shape of its first factor", str(site.graph_out), where(site.node))
    return _read("multiply", site)


register("multiply")(Kernel(_build_multiply, prepare=_prepare_multiply, read=_read_multiply, onnx=("Mul",)))


# ReLU and ReLU6 that no other operator takes in: another scale, rounded twice, and a clamp.


def _read_relu(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Relu, or Clip from 0 to 6."""
    kind = "relu" if site.node.op == "Relu" else "relu6"
    operator = IntegerOperator(kind="relu", inputs=(), output=-1, activation=kind)  # type: ignore[arg-type]
    return operator, site.source.shape


def _prepare_relu(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the multiplier of the float32 quotient of the scales; TFLM's ReLU6 has none and keeps the scale."""
    if rounding == "tflm" and operator.activation == "relu6":
        same_grid(inputs, output, "relu6")
    multiplier, shift = quantise_multiplier(np.float64(np.float32(inputs[0].scale) / np.float32(output.scale)))
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_requantised(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape)."""
    x = np.arange(-128, 128) - inputs[0].zero
    return byte_table(finished(twice(x, operator.arrays["multiplier"], operator.arrays["shift"]), operator, output))


register("relu")(Kernel(_build_requantised, prepare=_prepare_relu, read=_read_relu, onnx=("Relu", "Clip")))


# From one grid of bytes to another, rounded twice.


def _prepare_quantise(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the scales' ratio as a multiplier."""
    del rounding
    ratio = np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    return extended(operator, multiplier=multiplier, shift=shift)


register("quantise")(Kernel(_build_requantised, prepare=_prepare_quantise))


# Logistic function: a table of 256 bytes. LiteRT fills it in float32, TFLM computes in fixed point.

INTEGER_BITS = 4


def _prepare_logistic(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the table, first entry for -128.

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
    unit = np.float32(1)
    return half_away(unit / (unit + power) * np.float32(256)).astype(np.int64)


def _fixed(x: Array, scale: np.float32) -> Array:
    fraction, exponent = np.frexp(np.float64(scale) * 2.0 ** (31 - INTEGER_BITS))
    multiplier, shift = int(np.floor(fraction * 2.0**31 + 0.5)), int(exponent)
    radius = int(np.floor((2.0**INTEGER_BITS - 1) * 2.0 ** (31 - INTEGER_BITS) / 2.0**shift))
    inner = np.abs(x) < radius
    raised = twice(np.where(inner, x, 0), multiplier, shift)
    value = divide_by_power(logistic(raised, INTEGER_BITS), 31 - 8)
    return np.where(inner, value, np.where(x > 0, 255, 0))


def _build_table(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape)."""
    del inputs, output
    return byte_table(operator.arrays["table"])


register("logistic")(
    Kernel(
        _build_table,
        prepare=_prepare_logistic,
        read=partial(_read, "logistic"),
        onnx=("Sigmoid",),
    )
)


# Any function of one byte: `arrays['table']`, first entry for -128. It is worked out where the network is read.
register("table")(Kernel(_build_table))


# Softmax over the last axis in fixed point; LiteRT's reference kernel and TFLM do the same.

DIFFERENCE_BITS = 5
SUM_BITS = 12


def _prepare_softmax(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return a table of exp(difference) for differences 0 to -255, 0 where it is too small to count.

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


def _build_softmax(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
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


register("softmax")(Kernel(_build_softmax, prepare=_prepare_softmax, read=partial(_read, "softmax"), onnx=("Softmax",)))
