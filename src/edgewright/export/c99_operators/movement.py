"""Operators that move values: other views of the same memory wherever strides can say it."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators import prepare, where
from edgewright.export._c_source import Bytes, Leaf, Source
from edgewright.export._c_text import smallest
from edgewright.export._c_unit import nested
from edgewright.export.c99_operators import Spot, operator
from edgewright.export.c99_operators._choice import chosen
from edgewright.schema.errors import InputError


@operator("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(spot: Spot) -> Source:
    """Another shape; copied only where the entries do not lie in order."""
    source = spot.source(0)

    def change(view: Bytes) -> Bytes:
        return view.reshape(spot.shape)

    found = source.viewed(change)
    return found or spot.unit.stored(source, in_order=True).seen(change)


@operator("Transpose", "Slice")
def move(spot: Spot) -> Source:
    """Axes in another order, or parts of them: NumPy's own operator on the view."""
    function = prepare(spot.node, spot.constants)

    def change(view: Bytes) -> Bytes:
        return function(view, *spot.constants[1:])

    return spot.source(0).seen(change)


@operator("Expand")
def expand(spot: Spot) -> Source:
    """Repeated to a larger shape."""
    return spot.source(0).spread(spot.shape)


@operator("Gather")
def gather(spot: Spot) -> Source:
    """Entries by index: a view where constant places advance evenly (frames, every second), else a copy."""
    indices = spot.constants[1]
    if indices is None:
        return chosen(spot)
    source = spot.source(0)
    axis = int(str(spot.node.attributes.get("axis", 0))) % len(source.shape)
    length = source.shape[axis]
    places = np.where(indices < 0, indices + length, indices).astype(np.int64)
    steps = _even(places)
    if steps is not None:
        start = int(places.ravel()[0])

        def change(view: Bytes) -> Bytes:
            part = view[(slice(None),) * axis + (slice(start, None),)]
            stride = view.strides[axis]
            shape = (*view.shape[:axis], *places.shape, *view.shape[axis + 1 :])
            strides = (*view.strides[:axis], *(stride * s for s in steps), *view.strides[axis + 1 :])
            return np.lib.stride_tricks.as_strided(part, shape, strides)

        found = source.viewed(change)
        if found is not None:
            return found
    return _copied(spot, spot.unit.stored(source), places, axis)


def _even(places: np.typing.NDArray[np.int64]) -> tuple[int, ...] | None:
    """Steps along each axis of the indices, if they advance evenly."""
    steps = []
    for axis in range(places.ndim):
        ahead = np.diff(places, axis=axis)
        steps.append(int(ahead.ravel()[0]) if ahead.size else 0)
        if ahead.size and (ahead != steps[-1]).any():
            return None
    return tuple(steps)


def _copied(spot: Spot, source: Source, places: np.typing.NDArray[np.int64], axis: int) -> Source:
    unit, leaf = spot.unit, source.leaves[0]
    target = unit.fresh(spot.shape, source.kind)
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    count = places.size
    table = unit.table(smallest(places.ravel() * leaf.view.strides[axis]))
    lengths = (*before, count, *after)
    names = tuple(f"i{n}" for n in range(len(lengths)))
    strides = (*leaf.view.strides[:axis], 0, *leaf.view.strides[axis + 1 :])
    terms = [f"{s} * {name}" if s != 1 else name for name, s in zip(names, strides, strict=True) if s]
    read = " + ".join([*([str(leaf.offset)] if leaf.offset else []), f"{table}[i{axis}]", *terms])
    own = np.empty(lengths, np.uint8).strides
    write = " + ".join(f"{s} * {name}" if s != 1 else name for name, s in zip(names, own, strict=True))
    used = [(n, length) for n, length in zip(names, lengths, strict=True) if length > 1]
    line = f"{target.leaves[0].buffer.name}[{write}] = {leaf.buffer.name}[{read}];"
    fixed = [f"const int {n} = 0;" for n, length in zip(names, lengths, strict=True) if length == 1 and n in line]
    unit.step([*fixed, *nested([u[1] for u in used], [u[0] for u in used], [line])], (source,), (target,))
    return target


@operator("Concat")
def concat(spot: Spot) -> Source:
    """One after the other along an axis; expressions are worked out right into their place, if they are not there."""
    rank = len(spot.shape)
    axis = int(str(spot.node.attributes.get("axis", 0))) % rank
    target = spot.unit.reserved.get(spot.node.outputs[0]) or spot.unit.fresh(spot.shape, spot.kind)
    start = 0
    for place in range(len(spot.inputs)):
        source = spot.source(place)
        cut = (slice(None),) * axis + (slice(start, start + source.shape[axis]),)
        _into(spot, source, target, cut)
        start += source.shape[axis]
    return target


@operator("Pad")
def pad(spot: Spot) -> Source:
    """Constant entries around a value."""
    widths = np.ravel(spot.constants[1]).astype(int) if spot.constants[1] is not None else np.zeros(0, int)
    axes = spot.constants[3] if len(spot.constants) > 3 else None
    mode = spot.node.attributes.get("mode", "constant")
    if mode != "constant" or spot.constants[1] is None or (widths < 0).any():
        raise InputError("constant padding of constant width", f"mode {mode}", where(spot.node))
    source = spot.source(0)
    order = range(len(source.shape)) if axes is None else [int(a) for a in np.ravel(axes)]
    cut = [slice(None)] * len(source.shape)
    for place, axis in enumerate(order):
        cut[axis] = slice(int(widths[place]), int(widths[place]) + source.shape[axis])
    filled = len(spot.inputs) > 2 and spot.inputs[2] is not None
    fill = spot.source(2) if filled else spot.unit.constant(np.zeros((), np.float32))
    target = spot.unit.fresh(spot.shape, spot.kind)
    spot.unit.copy(fill.spread(spot.shape), target)
    _into(spot, source, target, tuple(cut))
    return target


def _into(spot: Spot, source: Source, target: Source, cut: tuple[slice, ...]) -> None:
    leaf = target.leaves[0]
    part = Source(source.shape, target.kind, (Leaf(leaf.buffer, leaf.base, leaf.view[cut]),), "{0}")
    if not (source.plain and source.leaves[0].same(part.leaves[0])):
        spot.unit.copy(source, part)
