"""Convolution in one and two dimensions, with groups, strides, dilations and padding."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator, where
from edgewright.core.operators._attributes import Geometry, geometry, integer, integers, padded
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node

# Windows are copied side by side for one matrix product; a batch is taken in parts of about this many values (16 MB).
_COLUMNS = 1 << 22


@operator("Conv")
def conv(node: Node, constants: Sequence[Array | None]) -> Function:
    """y[n, m] = bias[m] + sum over c, k of x[n, c, position * stride + k * dilation] * w[m, c, k]."""
    weights = constants[1]
    kernel = integers(node, "kernel_shape") or (() if weights is None else weights.shape[2:])
    groups = integer(node, "group", 1)
    if not 1 <= len(kernel) <= 2 or groups < 1:
        raise InputError("a kernel of one or two axes and at least one group", f"{kernel}, {groups}", where(node))
    plan = geometry(node, tuple(kernel))

    def run(x: Array, w: Array, bias: Array | None = None) -> Array:
        if w.shape[1] * groups != x.shape[1] or w.shape[0] % groups:
            raise InputError(f"{w.shape[1] * groups} channels", str(x.shape[1]), where(node))
        x = padded(x, plan.padding(x.shape[2:]), 0)
        y = _depthwise(x, w, plan) if groups == len(w) == x.shape[1] else _grouped(x, w, plan, groups)
        if bias is not None:
            y += bias.reshape(-1, *(1,) * len(kernel))
        return y

    return run


def _depthwise(x: Array, w: Array, plan: Geometry) -> Array:
    """One filter a channel: shifted multiply-adds, a tenth of the time of one small matrix product a channel."""
    windows = plan.windows(x)
    rank = len(plan.kernel)
    y = np.zeros(windows.shape[: 2 + rank], x.dtype)
    # Kernel axes first, so that one index picks a tap of every window and of every filter.
    taps = np.moveaxis(windows, range(2 + rank, 2 + 2 * rank), range(rank))
    filters = np.moveaxis(w[:, 0], range(1, 1 + rank), range(rank))
    for position in itertools.product(*(range(k) for k in plan.kernel)):
        y += taps[position] * filters[position].reshape(-1, *(1,) * rank)
    return y


def _grouped(x: Array, w: Array, plan: Geometry, groups: int) -> Array:
    rank, size = len(plan.kernel), len(w) // groups
    windows = plan.windows(x)
    positions = windows.shape[2 : 2 + rank]
    y = np.empty((len(x), len(w), *positions), x.dtype)
    part = max(1, _COLUMNS // max(1, math.prod(windows.shape[1:])))
    # (n, positions, channels of the group, kernel): a row of the product's left side is one window.
    order = (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank))
    wide = w.reshape(len(w), -1).T
    for first in range(0, len(x), part):
        few = windows[first : first + part]
        for group in range(groups):
            channels = slice(group * w.shape[1], (group + 1) * w.shape[1])
            filters = slice(group * size, (group + 1) * size)
            columns = few[:, channels].transpose(order).reshape(-1, wide.shape[0])
            product = (columns @ wide[:, filters]).reshape(len(few), *positions, size)
            y[first : first + part, filters] = np.moveaxis(product, -1, 1)
    return y
