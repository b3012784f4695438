"""Operators that move bytes."""

from __future__ import annotations

import numpy as np

from edgewright.export._c_source import Source
from edgewright.export._c_unit import nested
from edgewright.export.c99_operators import Site, kernel


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
    """The byte of the real number 0 around height and width."""
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
    for place, value in enumerate(site.values[:-1]):
        part = int(np.prod(value.shape[axis:]))
        rows = int(np.prod(value.shape[:axis]))
        line = f"memcpy({site.result} + i * {whole} + {start}, {site.name(place)} + i * {part}, {part});"
        lines += nested((rows,), ("i",), [line])
        start += part
    site.step(lines)
