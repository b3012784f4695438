"""What convolution and pooling share: where a kernel stands, channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgewright.runtime.operators._windows import geometry
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node
from edgewright.schema.integer import IntegerOperator

Numbers = dict[str, tuple[int, ...]]


def placement(node: Node, kernel: tuple[int, ...], spatial: tuple[int, ...]) -> tuple[Numbers, tuple[int, int]]:
    """Kernel, strides, dilations and pads (top, left, bottom, right) in two axes, and places along them.

    One axis becomes a height of 1.

    Raises:
        InputError: for a pool that counts places beyond its padding.
    """
    plan = geometry(node, kernel)
    if plan.ceil:
        raise InputError("pools without ceil_mode", "ceil_mode = 1", f"operator {node.op}")
    around = plan.padding(spatial)
    spans = [
        (length + sum(ends) - (k - 1) * d - 1) // s + 1
        for length, ends, k, d, s in zip(spatial, around, kernel, plan.dilations, plan.strides, strict=True)
    ]

    def two(numbers: tuple[int, ...], fill: int) -> tuple[int, ...]:
        return (fill, *numbers) if len(numbers) == 1 else tuple(numbers)

    before, after = two(tuple(a for a, _ in around), 0), two(tuple(b for _, b in around), 0)
    numbers = {
        "kernel": two(kernel, 1),
        "strides": two(plan.strides, 1),
        "dilations": two(plan.dilations, 1),
        "pads": (*before, *after),
    }
    rows, columns = two(tuple(spans), 1)
    return numbers, (rows, columns)


def windows(operator: IntegerOperator, x: Array, fill: Any) -> Array:  # noqa: ANN401 - a number of the array's type
    """(n, h, w, c) -> view (n, rows, columns, kernel h, kernel w, c), `fill` in the padding."""
    numbers = operator.numbers
    (kh, kw), (sh, sw), (dh, dw) = numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
    top, left, bottom, right = numbers["pads"]
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    view = sliding_window_view(x, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    return np.asarray(np.moveaxis(view[:, ::sh, ::sw, :, ::dh, ::dw], 3, -1))
