"""Convolution: weights (filters, height, width, channels of the group); rounded twice by LiteRT and TFLM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.integer.requantise import quantise_multiplier, twice
from edgewright.runtime.kernels import Site, clamped, extended, finished, sums
from edgewright.runtime.kernels._windows import placement, windows
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("Conv",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
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


def with_multipliers(
    operator: IntegerOperator, source: IntegerValue, output: IntegerValue, axis: int
) -> IntegerOperator:
    """One multiplier a filter, from float64 products of the float32 scales; `axis` is that of the filters.

    Raises:
        InputError: for sums that leave 32 bits.
    """
    least, most = sums(operator, source, axis)
    scale = np.broadcast_to(operator.arrays["weight_scale"].astype(np.float32).astype(np.float64), least.shape)
    factors = np.float64(np.float32(source.scale)) * scale / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(factors)
    if (np.maximum(np.abs(least), np.abs(most)) << np.maximum(shift, 0)).max() >= 2**31:
        raise InputError("sums within 32 bits after the shift to the left", f"shift {shift.max()}", operator.kind)
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """The same for both roundings."""
    del rounding
    return with_multipliers(operator, inputs[0], output, 0)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    own, groups = operator.arrays, operator.numbers["groups"][0]
    x = arrays[0].astype(np.float64) - inputs[0].zero
    weights = own["weights"].astype(np.float64)
    size, width = len(weights) // groups, weights.shape[3]
    parts = []
    for group in range(groups):
        seen = windows(operator, x[..., group * width : (group + 1) * width], 0)
        columns = seen.reshape(*seen.shape[:3], -1)
        parts.append(columns @ weights[group * size : (group + 1) * size].reshape(size, -1).T)
    summed = np.concatenate(parts, axis=-1).astype(np.int64)
    if "bias" in own:
        summed = summed + own["bias"]
    return finished(twice(summed, own["multiplier"], own["shift"]), operator, output)
