"""Kernels that move bytes without computing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.kernels import Function, Kernel, Site, on_one_grid, register
from edgewright.core.kernels._rounding import padded
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerOperator, IntegerValue

# Another shape, the same bytes.
register("reshape")(Kernel(lambda _operator, _inputs, output: lambda x: x.reshape(len(x), *output.shape)))


# Axes in another order, the same bytes: `numbers['order']`, without the batch axis.


def _build_transpose(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape in the other order)."""
    del inputs, output
    axes = (0, *(axis + 1 for axis in operator.numbers["order"]))
    return lambda x: x.transpose(axes)


register("transpose")(Kernel(_build_transpose))


# Values one after the other along `numbers['axis']`, without the batch axis; all have one scale.


def _read_concat(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Concat along the channels or the places.

    Raises:
        InputError: for the batch axis, or features whose order in the graph is another.
    """
    rank = len(site.graph_out)
    axis = int(site.node.attributes["axis"])  # type: ignore[arg-type]
    axis = axis - 1 if axis > 0 else axis + rank
    if not 0 <= axis < rank or site.order is not None:
        raise InputError("features or windows that join along an axis", f"axis {axis}", where(site.node))
    index = _channels_last(axis, rank)
    shape = list(site.source.shape)
    shape[index] = site.graph_out[axis]
    return IntegerOperator(kind="concat", inputs=(), output=-1, numbers={"axis": (index,)}), tuple(shape)


def _channels_last(axis: int, rank: int) -> int:
    """Return where an axis of the graph is here: its channels come last, a window of one row has a height of 1."""
    return axis if rank == 1 else (2 if axis == 0 else axis + 2 - rank)


register("concat")(
    Kernel(
        lambda operator, _inputs, _output: lambda *arrays: np.concatenate(arrays, axis=operator.numbers["axis"][0] + 1),
        prepare=on_one_grid,
        read=_read_concat,
        onnx=("Concat",),
    )
)


# Neighbours along one axis, the same bytes: `numbers` axis (without the batch axis), begin, end.


def _read_slice(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Slice along one axis, in steps of one.

    Raises:
        InputError: for computed ends, several axes, or other steps.
    """
    parts = [site.constants.get(slot) for slot in (1, 2, 3)]
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
    index = _channels_last(axis, rank)
    shape = list(site.source.shape)
    shape[index] = end - begin
    numbers: dict[str, tuple[int, ...]] = {"axis": (index,), "begin": (begin,), "end": (end,)}
    return IntegerOperator(kind="slice", inputs=(), output=-1, numbers=numbers), tuple(shape)


def _build_slice(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, *shape) -> (n, *shape with the axis cut)."""
    del inputs, output
    (axis,), (begin,), (end,) = (operator.numbers[name] for name in ("axis", "begin", "end"))
    cut = (*(slice(None),) * (axis + 1), slice(begin, end))
    return lambda x: x[cut]


register("slice")(Kernel(_build_slice, prepare=on_one_grid, read=_read_slice, onnx=("Slice",)))


# The integer of the real number 0 around height and width: `numbers['pads']` top, left, bottom, right.


def _read_pad(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Pad with zeros after the channels of one or two axes.

    Raises:
        InputError: for another mode or number, computed widths, or padding of the batch or the channels.
    """
    widths, mode = site.constants.get(1), site.node.attributes.get("mode", "constant")
    rank = len(site.graph_shape) + 1
    fill = site.constants.get(2, np.zeros(1))
    # On bytes the zero point is what stands for 0.
    zero = site.source.zero if fill.dtype == np.int8 else 0
    if mode != "constant" or widths is None or widths.size != 2 * rank or np.any(fill != zero):
        raise InputError("padding with a constant number of zeros", f"mode {mode}", where(site.node))
    before, after = (tuple(int(n) for n in half) for half in widths.reshape(2, -1))
    if any((*before[:2], *after[:2])) or min((*before, *after)) < 0:
        raise InputError("padding of height and width", str(widths.ravel().tolist()), where(site.node))
    pads = (*((0,) * (4 - rank)), *before[2:], *((0,) * (4 - rank)), *after[2:])
    height, width, channels = site.source.shape
    numbers = {"pads": pads}
    shape = (height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    return IntegerOperator(kind="pad", inputs=(), output=-1, numbers=numbers), shape


register("pad")(
    Kernel(
        lambda operator, _inputs, output: lambda x: padded(operator, x, output.zero),
        prepare=on_one_grid,
        read=_read_pad,
        onnx=("Pad",),
    )
)
