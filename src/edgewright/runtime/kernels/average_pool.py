"""Mean of the integers under the kernel, padding not counted, halves rounded away from zero; the scale stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.runtime.kernels import Site, clamped, same_grid
from edgewright.runtime.kernels._windows import placement, windows
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue, Rounding

ONNX = ("AveragePool",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """AveragePool of one or two axes.

    Raises:
        InputError: when padding counts.
    """
    kernel = site.node.attributes["kernel_shape"]
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), site.graph_shape[1:])  # type: ignore[union-attr]
    if site.node.attributes.get("count_include_pad", 0) and any(numbers["pads"]):
        raise InputError("a pool whose padding does not count", "count_include_pad = 1", "operator AveragePool")
    return IntegerOperator(kind="average_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Only the clamp of a fused activation."""
    del rounding
    same_grid(inputs, output, operator.kind)
    return clamped(operator, output)


def run(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, arrays: Sequence[Array]
) -> Array:
    """(n, h, w, c) -> (n, rows, columns, c). The zero point is within the integers and is not taken off."""
    del inputs, output
    x = arrays[0].astype(np.int64)
    total = windows(operator, x, 0).sum(axis=(3, 4))
    count = windows(operator, np.ones_like(x[:1]), 0).sum(axis=(3, 4))
    mean = np.where(total > 0, (total + count // 2) // count, -((-total + count // 2) // count))
    return np.asarray(np.clip(mean, operator.low, operator.high), np.int8)
