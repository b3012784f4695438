"""Neighbours along one axis, the same bytes: `numbers` axis (without the batch axis), begin, end."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.kernels import Function, Site, on_one_grid
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerOperator, IntegerValue

ONNX = ("Slice",)


def read(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Slice along one axis, in steps of one.

    Raises:
        InputError: for computed ends, several axes, or other steps.
    """
    parts = [site.constants.get(place) for place in (1, 2, 3)]
    steps = site.constants.get(4)
    if any(part is None or part.size != 1 for part in parts) or (steps is not None and steps.tolist() != [1]):
        raise InputError("a Slice along one axis in steps of 1", "another", where(site.node))
    begin, end, axis = (int(part.ravel()[0]) for part in parts if part is not None)
    rank = len(site.graph_shape)
    axis = (axis - 1) % (rank + 1)
    length = site.graph_shape[axis] if axis < rank else 0
    begin, end = (min(length, n + length if n < 0 else n) for n in (begin, end))
    if not 0 <= begin < end or site.order is not None:
        raise InputError("a Slice of features or of a window", f"{begin} to {end} of {length}", where(site.node))
    # Channels first in the graph are the last axis here; a window of one row has its samples on the axis before.
    place = axis if rank == 1 else (2 if axis == 0 else axis + 2 - rank)
    shape = list(site.source.shape)
    shape[place] = end - begin
    numbers: dict[str, tuple[int, ...]] = {"axis": (place,), "begin": (begin,), "end": (end,)}
    return IntegerOperator(kind="slice", inputs=(), output=-1, numbers=numbers), tuple(shape)


prepare = on_one_grid


def build(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape with the axis cut)."""
    del inputs, output
    (axis,), (begin,), (end,) = (operator.numbers[name] for name in ("axis", "begin", "end"))
    cut = (*(slice(None),) * (axis + 1), slice(begin, end))
    return lambda x: x[cut]
