"""Byte by byte: sums, ReLU, other grids, and functions by table."""

from __future__ import annotations

import numpy as np

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_code.unit import nested
from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._rounding import clamp, divide, requantised, rescaled

C = parts(__file__, "int8_elementwise.c")


@kernel("reshape")
def reshape(site: Site) -> Source:
    """Another shape: the same memory."""
    return site.inputs[0].seen(lambda view: view.reshape(site.target.shape))


@kernel("transpose")
def transpose(site: Site) -> None:
    """Axes in another order."""
    order, shape = site.operator.numbers["order"], site.values[0].shape
    walk = site.inputs[0].seen(lambda view: view.reshape(shape).transpose(order))
    site.unit.copy(walk, site.output.viewed(lambda view: view.reshape(walk.shape)) or site.output)


@kernel("slice")
def cut(site: Site) -> None:
    """Neighbours along one axis."""
    (axis,), (begin,), (end,) = (site.operator.numbers[name] for name in ("axis", "begin", "end"))
    shape, places = site.values[0].shape, (*(slice(None),) * axis, slice(begin, end))
    walk = site.inputs[0].seen(lambda view: view.reshape(shape)[places])
    site.unit.copy(walk, site.output.viewed(lambda view: view.reshape(walk.shape)) or site.output)


@kernel("pad")
def pad(site: Site) -> None:
    """Write padding of height and width with the byte that means 0."""
    top, left, _, _ = site.operator.numbers["pads"]
    height, width, channels = site.values[0].shape
    whole = site.target.shape[1] * channels
    size, start = int(np.prod(site.target.shape)), top * whole + left * channels
    body = [f"{site.result}[{start} + i0 * {whole} + i1] = {site.name()}[i0 * {width * channels} + i1];"]
    site.step(
        [
            f"memset({site.result}, {site.unit.whole(site.target.zero)}, {size});",
            *nested((height, width * channels), ("i0", "i1"), body),
        ]
    )


@kernel("concat")
def concat(site: Site) -> None:
    """One after the other along an axis."""
    axis = site.operator.numbers["axis"][0]
    whole = int(np.prod(site.target.shape[axis:]))
    lines, start = [], 0
    for index, value in enumerate(site.values[:-1]):
        part = int(np.prod(value.shape[axis:]))
        rows = int(np.prod(value.shape[:axis]))
        line = f"memcpy({site.result} + i * {whole} + {start}, {site.name(index)} + i * {part}, {part});"
        lines += nested((rows,), ("i",), [line])
        start += part
    site.step(lines)


# As core/kernels/elementwise.py: bits of fraction while adding.
EXTRA_BITS = 20


def _each(site: Site, expression: str) -> Source:
    """Write a byte from those of the inputs at the same place, whose memory it may take."""
    target, size = site.taken_over(), int(np.prod(site.target.shape))
    name = target.leaves[0].buffer.name
    lines = [f"for (int i = 0; i < {size}; ++i) {{", f"    {name}[i] = {expression};", "}"]
    site.unit.step(lines, site.inputs, (target,))
    return target


@kernel("relu", "quantise")
def rescale(site: Site) -> Source:
    """Another grid, and the clamp of an activation."""
    return _each(site, requantised(site, f"{site.name()}[i]{site.unit.less(site.values[0].zero)}", "0", 255))


@kernel("add")
def add(site: Site) -> Source:
    """Both on one grid with more bits, added, brought to the output's grid."""
    less, whole = site.unit.less, site.unit.whole
    inside = [
        rescaled(site, f"({site.name(i)}[i]{less(site.values[i].zero)}) * {1 << EXTRA_BITS}", "0", 255 << EXTRA_BITS, i)
        for i in range(2)
    ]
    total = f"{rescaled(site, f'{inside[0]} + {inside[1]}', '0', 255 << EXTRA_BITS + 1, 2)}{less(-site.target.zero)}"
    return _each(site, f"{clamp(site.unit)}({total}, {whole(site.operator.low)}, {whole(site.operator.high)})")


@kernel("logistic", "table")
def looked_up(site: Site) -> Source:
    """Write a table of 256 bytes."""
    return _each(site, f"{site.unit.table(site.operator.arrays['table'])}[{site.name()}[i] + 128]")


@kernel("multiply")
def multiply(site: Site) -> Source | None:
    """Product of both, brought to the output's grid; a second factor of one row is that of every place."""
    less, channels = site.unit.less, site.values[1].shape[-1]
    at = "i" if site.values[1].shape == site.target.shape else f"i % {channels}"
    factors = (f"{site.name()}[i]{less(site.values[0].zero)}", f"{site.name(1)}[{at}]{less(site.values[1].zero)}")
    return _each(site, requantised(site, f"({factors[0]}) * ({factors[1]})", "0", 255 * 255))


@kernel("softmax")
def softmax(site: Site) -> None:
    """Write softmax in fixed point over the last axis: exp by table, the reciprocal by three Newton steps."""
    unit = site.unit
    divide(unit)
    unit.helper("high", C["high"])
    unit.helper("reciprocal", C["reciprocal"])
    function = unit.helper("softmax_bytes", C["softmax_bytes"])
    length = site.values[0].shape[-1]
    rows = site.output.leaves[0].buffer.size // length
    table = unit.table(smallest(site.operator.arrays["table"]))
    at = f" + i * {length}"
    site.step(
        [
            f"for (int i = 0; i < {rows}; ++i) {{",
            f"    {function}({site.name()}{at}, {site.result}{at}, {length}, {table});",
            "}",
        ]
    )
