"""Pools over windows, and the mean over everything."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from edgewright.core.arithmetic.requantise import quantise_multiplier
from edgewright.core.kernels import Function, Kernel, Site, clamped_on_one_grid, extended, register
from edgewright.core.kernels._rounding import padded, placement, rounded_twice, taps
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

# Mean of the integers under the kernel, padding not counted, halves rounded away from zero; the scale stays.


def _read_average_pool(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """AveragePool of one or two axes.

    Raises:
        InputError: when padding counts.
    """
    kernel = site.node.attributes["kernel_shape"]
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), site.graph_shape[1:])  # type: ignore[union-attr]
    if site.node.attributes.get("count_include_pad", 0) and any(numbers["pads"]):
        raise InputError("a pool whose padding does not count", "count_include_pad = 1", "operator AveragePool")
    return IntegerOperator(kind="average_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


def _build_average_pool(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, c). The zero point is within the integers and is not taken off."""
    del output
    low, high = operator.low, operator.high

    def under(x: Array) -> Array:
        parts = [tap for _, tap in taps(operator, padded(operator, x, 0, np.int32))]
        return functools.reduce(np.add, parts)

    count = under(np.ones((1, *inputs[0].shape), np.int32))

    def run(x: Array) -> Array:
        total = under(x)
        # A quotient of such small integers never rounds up to the next whole number.
        mean = (total + np.copysign(count // 2, total)) / count
        return np.asarray(np.trunc(mean).clip(low, high), np.int8)

    return run


register("average_pool")(
    Kernel(_build_average_pool, prepare=clamped_on_one_grid, read=_read_average_pool, onnx=("AveragePool",))
)


# Largest integer under the kernel; padding never wins; the scale stays.


def _read_max_pool(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """MaxPool, or GlobalMaxPool as a kernel over everything."""
    whole = site.graph_shape[1:]
    kernel = site.node.attributes.get("kernel_shape", whole)
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), whole)  # type: ignore[union-attr]
    return IntegerOperator(kind="max_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


def _build_max_pool(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, c)."""
    del inputs, output
    low, high = operator.low, operator.high

    def run(x: Array) -> Array:
        under = taps(operator, padded(operator, x, -128))
        largest = next(under)[1].copy()
        for _, tap in under:
            np.maximum(largest, tap, out=largest)
        return largest if (low, high) == (-128, 127) else largest.clip(low, high)

    return run


register("max_pool")(
    Kernel(_build_max_pool, prepare=clamped_on_one_grid, read=_read_max_pool, onnx=("MaxPool", "GlobalMaxPool"))
)


# Mean over height and width with a scale of its own: one over the count goes into the multiplier, rounded twice.


def _read_mean(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """GlobalAveragePool; height and width of 1 stay."""
    return IntegerOperator(kind="mean", inputs=(), output=-1), (1, 1, site.graph_shape[0])


def _prepare_mean(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the scales' ratio as a multiplier, shifted up before the whole-number division by the count."""
    del rounding
    count = inputs[0].shape[0] * inputs[0].shape[1]
    multiplier, shift = quantise_multiplier(
        np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    )
    power = min(count.bit_length() - 1, 32, 31 + int(shift[0]))
    return extended(operator, multiplier=(multiplier << power) // count, shift=shift - power)


def _build_mean(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, 1, 1, c)."""
    count = inputs[0].shape[0] * inputs[0].shape[1]
    finish = rounded_twice(operator, output, -inputs[0].zero * count, 255 * count)
    return lambda x: finish(x.sum(axis=(1, 2), dtype=np.int32, keepdims=True))


register("mean")(Kernel(_build_mean, prepare=_prepare_mean, read=_read_mean, onnx=("GlobalAveragePool",)))
