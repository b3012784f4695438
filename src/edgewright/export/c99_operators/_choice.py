"""Entries at computed places."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_source import Leaf, Source, loops
from edgewright.export._c_unit import nested
from edgewright.export.c99_operators import Spot


def chosen(spot: Spot) -> Source:
    """The output of Gather or GatherElements whose indices are computed, of a constant or a computed value."""
    unit = spot.unit
    source, places = unit.stored(spot.source(0)), unit.stored(spot.source(1))
    rank = len(source.shape)
    axis = int(str(spot.node.attributes.get("axis", 0))) % rank
    length, leaf = source.shape[axis], source.leaves[0]
    stride = leaf.view.strides[axis]
    target = unit.fresh(spot.shape, source.kind)
    if spot.node.op == "GatherElements":
        base = source.seen(lambda v: v[(slice(None),) * axis + (slice(0, 1),)]).spread(_held(source, spot.shape, axis))
        base = base.seen(lambda v: v[tuple(slice(0, n) for n in spot.shape)])
        at = places
    else:
        extra = len(places.shape)
        shape = (*source.shape[:axis], *(1,) * extra, *source.shape[axis + 1 :])
        base = source.seen(lambda v: v[(slice(None),) * axis + (slice(0, 1),)]).seen(lambda v: _reshaped(v, shape))
        base = base.spread(spot.shape)
        after = (1,) * (rank - axis - 1)
        at = places.seen(lambda v: v.reshape(*v.shape, *after)).spread(spot.shape)
    leaves: tuple[Leaf, ...] = (target.leaves[0], base.leaves[0], at.leaves[0])
    walk = loops(spot.shape, leaves)
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    body = [
        f"int32_t place = {at.leaves[0].buffer.name}[{walk.index(2, names)}];",
        f"place += place < 0 ? {length} : 0;",
        # A place that was computed from far-out numbers must not read beyond the value.
        f"place = place < 0 ? 0 : place >= {length} ? {length - 1} : place;",
        f"{target.leaves[0].buffer.name}[{walk.index(0, names)}]"
        f" = {leaf.buffer.name}[{walk.index(1, names)} + {stride} * place];",
    ]
    unit.step(nested(walk.lengths, names, body), (source, places), (target,))
    return target


def _held(source: Source, shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The source's shape with the output's length along the axis of the choice."""
    return (*source.shape[:axis], shape[axis], *source.shape[axis + 1 :])


def _reshaped(view: np.typing.NDArray[np.uint8], shape: tuple[int, ...]) -> np.typing.NDArray[np.uint8]:
    """A view with other axes of length 1, in any layout."""
    strides = iter(s for n, s in zip(view.shape, view.strides, strict=True) if n > 1)
    return np.lib.stride_tricks.as_strided(view, shape, [next(strides) if n > 1 else 0 for n in shape])
