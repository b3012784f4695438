"""Largest integer under the kernel; padding never wins; the scale stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, Site, clamped_on_one_grid
from edgewright.core.kernels._windows import padded, placement, taps
from edgewright.schema.graph import Array
from edgewright.schema.integer import IntegerOperator, IntegerValue

ONNX = ("MaxPool", "GlobalMaxPool")


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """MaxPool, or GlobalMaxPool as a kernel over everything."""
    whole = site.graph_shape[1:]
    kernel = site.node.attributes.get("kernel_shape", whole)
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), whole)  # type: ignore[union-attr]
    return IntegerOperator(kind="max_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


prepare = clamped_on_one_grid


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
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
