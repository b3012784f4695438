"""Operators that move bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from edgewright.export.verilog import Buffer, Loop, Site, Step, copied, kernel
from edgewright.export.verilog._windows import padded


@kernel("reshape")
def reshape(site: Site) -> Iterable[Step]:
    """Return nothing: the bytes stay where they are."""
    del site
    return ()


@kernel("transpose")
def transpose(site: Site) -> Iterator[Step]:
    """Yield a copy whose loops go through the output."""
    source, target, order = site.values[0].shape, site.values[-1].shape, site.operator.numbers["order"]
    read, write = _strides(source), _strides(target)
    loops = [Loop(target[axis], read[order[axis]], write[axis]) for axis in range(len(target))]
    yield copied(site.source, site.result, loops[::-1])


@kernel("slice")
def cut(site: Site) -> Iterator[Step]:
    """Yield a copy of a part."""
    (axis,), (begin,) = (site.operator.numbers[name] for name in ("axis", "begin"))
    yield _part(site, Buffer(site.source.number, begin * _strides(site.values[0].shape)[axis]), site.result, axis, -1)


@kernel("concat")
def concat(site: Site) -> Iterator[Step]:
    """Yield a copy of each input."""
    (axis,) = site.operator.numbers["axis"]
    at = 0
    for index, number in enumerate(site.operator.inputs):
        yield _part(site, Buffer(number), Buffer(site.result.number, at), axis, index)
        at += site.values[index].shape[axis] * _strides(site.values[-1].shape)[axis]


@kernel("pad")
def pad(site: Site) -> Iterable[Step]:
    """Return the steps that fill and copy."""
    return padded(site, tuple(site.operator.numbers["pads"]), site.values[-1].zero, site.result)


def _part(site: Site, read: Buffer, write: Buffer, axis: int, smaller: int) -> Step:
    """Copy runs along an axis between two values of which `smaller` is the shorter there."""
    source = site.values[0 if smaller < 0 else smaller].shape
    target = site.values[-1].shape
    run = int(np.prod(site.values[smaller].shape[axis:]))
    outer = int(np.prod(target[:axis]))
    strides = (int(np.prod(source[axis:])), int(np.prod(target[axis:])))
    return copied(read, write, (Loop(run, 1, 1), Loop(outer, *strides)))


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
