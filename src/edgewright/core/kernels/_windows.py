"""What convolution and pooling share: where a kernel stands, channels last."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.core.operators._windows import geometry
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


def padded(operator: IntegerOperator, x: Array, fill: int, dtype: Any = np.int8) -> Array:  # noqa: ANN401 - a NumPy type
    """(n, h, w, c) -> contiguous array of another type with `fill` around height and width."""
    top, left, bottom, right = operator.numbers["pads"]
    n, height, width, channels = x.shape
    if not top + left + bottom + right:
        return np.ascontiguousarray(x, dtype)
    out = np.empty((n, top + height + bottom, left + width + right, channels), dtype)
    # The frame alone: most of the array is written once.
    out[:, :top], out[:, top + height :], out[:, :, :left], out[:, :, left + width :] = fill, fill, fill, fill
    out[:, top : top + height, left : left + width] = x
    return out


def spans(operator: IntegerOperator, x: Array) -> tuple[int, int]:
    """How often a kernel stands along height and width of a padded array."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    return (x.shape[1] - (kh - 1) * dh - 1) // sh + 1, (x.shape[2] - (kw - 1) * dw - 1) // sw + 1


def windows(operator: IntegerOperator, x: Array) -> Array:
    """Return padded, contiguous (n, h, w, c) as a view (n, rows, columns, kernel h, kernel w, c)."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    rows, columns = spans(operator, x)
    n, down, right, one = x.strides
    shape = (len(x), rows, columns, kh, kw, x.shape[3])
    # `sliding_window_view` takes longer than a small convolution.
    return np.ndarray(shape, x.dtype, x, 0, (n, down * sh, right * sw, down * dh, right * dw, one))


def taps(operator: IntegerOperator, x: Array) -> Iterator[tuple[tuple[int, int], Array]]:
    """Places of the kernel, and what stands under each in every window of a padded array: (n, rows, columns, c)."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    rows, columns = spans(operator, x)
    for i, j in itertools.product(range(kh), range(kw)):
        down, right = i * dh, j * dw
        yield (i, j), x[:, down : down + (rows - 1) * sh + 1 : sh, right : right + (columns - 1) * sw + 1 : sw]


def _placed(operator: IntegerOperator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    numbers = operator.numbers
    return numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
