"""Mean of the integers under the kernel, padding not counted, halves rounded away from zero; the scale stays."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, Site, clamped_on_one_grid
from edgewright.core.kernels._windows import padded, placement, taps
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue

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


prepare = clamped_on_one_grid


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
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
