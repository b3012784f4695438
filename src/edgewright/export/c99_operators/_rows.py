"""A function of the code called for every row along the last axis."""

from __future__ import annotations

from edgewright.export._c_source import Source, loops
from edgewright.export._c_unit import nested
from edgewright.export.c99_operators import Spot


def over_rows(spot: Spot, source: Source, target: Source, call: str, scratch: tuple[Source, ...] = ()) -> None:
    """Appends the call for every row; it may use {x} and {y}, the rows' addresses, and {step}, from entry to entry."""
    rows, cells = (s.seen(lambda view: view[..., :1]) for s in (source, target))
    walk = loops(rows.shape, (cells.leaves[0], rows.leaves[0]))
    names = tuple(f"i{n}" for n in range(len(walk.lengths)))
    leaf = source.leaves[0]
    x, y = f"{leaf.buffer.name} + {walk.index(1, names)}", f"{target.leaves[0].buffer.name} + {walk.index(0, names)}"
    body = call.format(x=x, y=y, step=leaf.view.strides[-1])
    spot.unit.step(nested(walk.lengths, names, [body]), (source,), (target, *scratch))
