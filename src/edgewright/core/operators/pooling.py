"""Pooling over windows and over everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator, plain, where
from edgewright.core.operators._attributes import Geometry, geometry, integer, integers, padded
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node


def _plan(node: Node) -> Geometry:
    kernel = integers(node, "kernel_shape")
    if not kernel or len(kernel) > 2:
        raise InputError("a kernel of one or two axes", str(kernel), where(node))
    return geometry(node, kernel)


def _spread(plan: Geometry, x: Array, fill: float, beyond_fill: float) -> Array:
    x_shape = x.shape[2:]
    wide = padded(x, plan.padding(x_shape), fill)
    return padded(wide, [(0, more) for more in plan.overhang(x_shape)], beyond_fill)


@operator("MaxPool")
def max_pool(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the largest value under the kernel; padding never wins."""
    plan = _plan(node)
    last = tuple(range(-len(plan.kernel), 0))

    def run(x: Array) -> Array:
        smallest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        return np.asarray(plan.windows(_spread(plan, x, smallest, smallest)).max(last))

    return run


@operator("AveragePool")
def average_pool(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the mean under the kernel: of the values there, or with `count_include_pad` of the padding too."""
    plan, counted = _plan(node), float(integer(node, "count_include_pad", 0))
    last = tuple(range(-len(plan.kernel), 0))
    even = plan.pads is not None and not any(sum(ends) for ends in plan.pads) and not plan.ceil

    def run(x: Array) -> Array:
        if even:
            return np.asarray(plan.windows(x).mean(last))
        mask = np.ones((1, 1, *x.shape[2:]), x.dtype)
        total = plan.windows(_spread(plan, x, 0, 0)).sum(last)
        return np.asarray(total / plan.windows(_spread(plan, mask, counted, 0)).sum(last))

    return run


operator("GlobalAveragePool")(plain(lambda x: np.asarray(x.mean(tuple(range(2, x.ndim)), keepdims=True))))
operator("GlobalMaxPool")(plain(lambda x: np.asarray(x.max(tuple(range(2, x.ndim)), keepdims=True))))
