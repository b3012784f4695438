"""Operators that move values without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator, plain, where
from edgewright.core.operators._attributes import constant_integers, given, integer, integers, text
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node


@operator("GatherElements")
def gather_elements(node: Node, constants: Sequence[Array | None]) -> Function:
    """One value along the axis for each entry of the indices, all other axes in step; negative ones from the end."""
    axis = integer(node, "axis", 0)
    return lambda x, indices: np.asarray(np.take_along_axis(x, indices, axis))


operator("Identity")(plain(lambda x: x))


@operator("Shape")
def shape_of(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the lengths of the axes from `start` to `end`."""
    start, end = integer(node, "start", 0), node.attributes.get("end")
    stop = end if isinstance(end, int) else None
    return lambda x: np.asarray(x.shape[start:stop], np.int64)


@operator("Concat")
def concat(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return arrays one after the other along an axis."""
    axis = integer(node, "axis", 0)
    return lambda *values: np.concatenate(values, axis)


@operator("Gather")
def gather(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return entries by index along an axis; negative indices count from the end."""
    axis = integer(node, "axis", 0)
    return lambda x, indices: np.asarray(x.take(indices, axis))


@operator("Slice")
def slice_(node: Node, constants: Sequence[Array | None]) -> Function:
    """start:end:step along each of the axes; ends beyond the array are cut to it."""
    starts = constant_integers(node, constants, 1, "starts") or ()
    ends = constant_integers(node, constants, 2, "ends") or ()
    axes = constant_integers(node, constants, 3, "axes") or tuple(range(len(starts)))
    steps = constant_integers(node, constants, 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise InputError(
            "as many starts as ends, axes and steps",
            ", ".join(map(str, map(len, (starts, ends, axes, steps)))),
            where(node),
        )
    cuts = []
    for start, end, step in zip(starts, ends, steps, strict=True):
        # ONNX writes "from the end on, backwards to the beginning" with a very negative end; Python with None.
        stop = None if step < 0 and end < -(2**31) else end
        cuts.append(slice(start, stop, step))

    def run(x: Array, *_: Array | None) -> Array:
        location: list[slice] = [slice(None)] * x.ndim
        for axis, cut in zip(axes, cuts, strict=True):
            location[axis] = cut
        return np.asarray(x[tuple(location)])

    return run


@operator("Reshape")
def reshape(node: Node, constants: Sequence[Array | None]) -> Function:
    """Another shape; 0 keeps the length of that axis (unless `allowzero`), -1 takes what is left."""
    keeps = not integer(node, "allowzero", 0)

    def to(x: Array, shape: tuple[int, ...]) -> Array:
        if keeps and 0 in shape:
            shape = tuple(x.shape[i] if length == 0 else length for i, length in enumerate(shape))
        return np.asarray(x.reshape(shape))

    fixed = constants[1]
    if fixed is None:
        return lambda x, shape: to(x, tuple(shape.tolist()))
    target: tuple[int, ...] = tuple(fixed.ravel().tolist())
    return lambda x, _shape: to(x, target)


@operator("Flatten")
def flatten(node: Node, constants: Sequence[Array | None]) -> Function:
    """Two axes: those before `axis` and those from it on."""
    axis = integer(node, "axis", 1)

    def run(x: Array) -> Array:
        rows = math.prod(x.shape[: axis if axis >= 0 else x.ndim + axis])
        return np.asarray(x.reshape(rows, x.size // rows if rows else 0))

    return run


@operator("Transpose")
def transpose(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return axes in another order, the reverse one by default."""
    order = integers(node, "perm")
    return lambda x: np.asarray(x.transpose(order))


@operator("Squeeze")
def squeeze(node: Node, constants: Sequence[Array | None]) -> Function:
    """Without the axes of length 1."""
    axes = constant_integers(node, constants, 1, "axes")
    return lambda x, _axes=None: np.squeeze(x, axes)


@operator("Unsqueeze")
def unsqueeze(node: Node, constants: Sequence[Array | None]) -> Function:
    """With new axes of length 1."""
    axes = constant_integers(node, constants, 1, "axes") or ()
    return lambda x, _axes=None: np.expand_dims(x, axes)


@operator("Expand")
def expand(node: Node, constants: Sequence[Array | None]) -> Function:
    """Repeated to the shape both broadcast to."""
    return lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape.tolist())))


@operator("Pad")
def pad(node: Node, constants: Sequence[Array | None]) -> Function:
    """More values at the ends of the axes: a constant, the edge, or the reflection."""
    mode = text(node, "mode", "constant")
    widths = constant_integers(node, constants, 1, "pads") or ()
    axes = constant_integers(node, constants, 3)
    if mode not in ("constant", "edge", "reflect") or len(widths) % 2 or any(w < 0 for w in widths):
        raise InputError("mode constant, edge or reflect and two widths an axis", f"{mode} {widths}", where(node))
    half = len(widths) // 2
    filled = given(node, 2)

    def run(x: Array, _pads: Array, value: Array | None = None, _axes: Array | None = None) -> Array:
        around = [(0, 0)] * x.ndim
        for i, axis in enumerate(axes if axes is not None else range(half)):
            around[axis] = (widths[i], widths[half + i])
        if mode == "edge":
            return np.pad(x, around, mode="edge")
        if mode == "reflect":
            return np.pad(x, around, mode="reflect")
        fill = value.reshape(()) if filled and value is not None else x.dtype.type(0)
        return np.pad(x, around, constant_values=fill)

    return run
