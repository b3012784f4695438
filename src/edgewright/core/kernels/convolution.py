"""Convolutions: the products of weights are summed exactly and rounded twice, by LiteRT and TFLM alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from edgewright.core.arithmetic.requantise import quantise_multiplier
from edgewright.core.kernels import Function, Kernel, Site, clamped, extended, register, sums
from edgewright.core.kernels._rounding import padded, placement, rounded_twice, spans, taps, windows
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

# Convolution: weights (filters, height, width, channels of the group); rounded twice by LiteRT and TFLM.


def _read_conv(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Conv of one or two axes; one group for each channel becomes the kind 'depthwise'.

    Raises:
        InputError: for weights that are no constant.
    """
    if site.weights is None:
        raise InputError("constant weights", "weights that are computed", "operator Conv")
    array = site.weights.array
    numbers, (rows, columns) = placement(site.node, tuple(array.shape[2:]), site.graph_shape[1:])
    groups = int(str(site.node.attributes.get("group", 1)))
    four = array if array.ndim == 4 else array[:, :, None, :]
    arrays: dict[str, Array] = {}
    if groups > 1 and groups == site.graph_shape[0]:
        kind, arrays["weights"] = "depthwise", np.ascontiguousarray(four[:, 0].transpose(1, 2, 0))
    else:
        kind, arrays["weights"] = "conv", np.ascontiguousarray(four.transpose(0, 2, 3, 1))
        numbers["groups"] = (groups,)
    if site.weights.bias is not None:
        arrays["bias"] = site.weights.bias
    if site.weights.scale is not None:
        arrays["weight_scale"] = np.atleast_1d(site.weights.scale)
    return IntegerOperator(kind=kind, inputs=(), output=-1, numbers=numbers, arrays=arrays), (
        rows,
        columns,
        len(array),
    )


def _with_multipliers(
    axis: int, operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """One multiplier a filter, from float64 products of the float32 scales; `axis` is that of the filters.

    The roundings have the same.

    Raises:
        InputError: for sums that leave 32 bits.
    """
    del rounding
    source = inputs[0]
    limits = sums(operator, source, axis)
    scale = np.broadcast_to(operator.arrays["weight_scale"].astype(np.float32).astype(np.float64), limits.lowest.shape)
    factors = np.float64(np.float32(source.scale)) * scale / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(factors)
    if (limits.furthest << np.maximum(shift, 0)).max() >= 2**31:
        raise InputError("sums within 32 bits after the shift to the left", f"shift {shift.max()}", operator.kind)
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_conv(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    weights, groups, zero = operator.arrays["weights"], operator.numbers["groups"][0], inputs[0].zero
    size, width = len(weights) // groups, weights.shape[3]
    limits = sums(operator, inputs[0], 0)
    filters = np.ascontiguousarray(weights.reshape(len(weights), -1).T, limits.dtype)
    finish = rounded_twice(operator, output, limits.offset, limits.furthest)

    def run(x: Array) -> Array:
        seen = windows(operator, padded(operator, x, zero, limits.dtype))
        shape = seen.shape[:3]
        if groups == 1:
            return finish(seen.reshape(-1, len(filters)) @ filters).reshape(*shape, len(weights))
        summed = np.empty((int(np.prod(shape)), len(weights)), limits.dtype)
        for first in range(groups):
            columns = seen[..., first * width : (first + 1) * width].reshape(-1, len(filters))
            own = slice(first * size, (first + 1) * size)
            summed[:, own] = columns @ filters[:, own]
        return finish(summed).reshape(*shape, len(weights))

    return run


register("conv")(Kernel(_build_conv, prepare=partial(_with_multipliers, 0), read=_read_conv, onnx=("Conv",)))


# Depthwise convolution: weights (height, width, filters), filters // channels for each channel; rounded twice.


def _build_depthwise(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    zero, channels, filters = inputs[0].zero, inputs[0].shape[2], operator.arrays["weights"].shape[2]
    limits = sums(operator, inputs[0], 2)
    weights = operator.arrays["weights"].astype(limits.dtype)
    finish = rounded_twice(operator, output, limits.offset, limits.furthest)

    # A row of the image beside a row of weights: NumPy's inner loop is then longer than the channels.
    usual = np.tile(weights, output.shape[1])

    def run(x: Array) -> Array:
        x = padded(
            operator, x if filters == channels else np.repeat(x, filters // channels, axis=3), zero, limits.dtype
        )
        rows, columns = spans(operator, x)
        wide = usual if columns == output.shape[1] else np.tile(weights, columns)
        wide = wide.reshape(*weights.shape[:2], columns, filters)
        summed = np.zeros((len(x), rows, columns, filters), limits.dtype)
        product = np.empty_like(summed)
        for position, tap in taps(operator, x):
            np.multiply(tap, wide[position], out=product)
            summed += product
        return finish(summed)

    return run


register("depthwise")(Kernel(_build_depthwise, prepare=partial(_with_multipliers, 2)))
