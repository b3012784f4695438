"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewright.core.operators import Factory, Function, operator
from edgewright.core.operators._attributes import constant_integers, integer
from edgewright.schema.graph import Array, Node

Axes = tuple[int, ...] | None
Reduction = Callable[[Array, Axes, bool], Array]
# (array, axes, dtype, out, keepdims): the ufuncs themselves, a third of the time of np.sum and its like.
_add: Callable[..., Array] = np.add.reduce
_multiply: Callable[..., Array] = np.multiply.reduce
_largest: Callable[..., Array] = np.maximum.reduce
_smallest: Callable[..., Array] = np.minimum.reduce


def _reducer(reduction: Reduction) -> Factory:
    """Return the factory of a reduction: axes are an attribute before opset 18 and an input since."""

    def factory(node: Node, constants: Sequence[Array | None]) -> Function:
        axes, keep = constant_integers(node, constants, 1, "axes"), bool(integer(node, "keepdims", 1))
        if not axes and integer(node, "noop_with_empty_axes", 0):
            return lambda x, _axes=None: x
        over = axes or None
        return lambda x, _axes=None: np.asarray(reduction(x, over, keep), x.dtype)

    return factory


def _sum(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_add(x, axes, x.dtype, None, keep))


def _mean(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(x.mean(axes, keepdims=keep))


def _max(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_largest(x, axes, None, None, keep))


def _min(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_smallest(x, axes, None, None, keep))


def _product(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_multiply(x, axes, x.dtype, None, keep))


def _log_sum_exp(x: Array, axes: Axes, keep: bool) -> Array:
    # The largest value is taken off first, so that exp does not overflow.
    top = _max(x, axes, True)
    total = np.log(_sum(np.exp(x - top), axes, True)) + top
    return np.asarray(total if keep else np.squeeze(total, axes))


operator("ReduceSum")(_reducer(_sum))
operator("ReduceMean")(_reducer(_mean))
operator("ReduceMax")(_reducer(_max))
operator("ReduceMin")(_reducer(_min))
operator("ReduceProd")(_reducer(_product))
operator("ReduceL1")(_reducer(lambda x, axes, keep: _sum(np.abs(x), axes, keep)))
operator("ReduceL2")(_reducer(lambda x, axes, keep: np.sqrt(_sum(x * x, axes, keep))))
operator("ReduceSumSquare")(_reducer(lambda x, axes, keep: _sum(x * x, axes, keep)))
operator("ReduceLogSumExp")(_reducer(_log_sum_exp))
