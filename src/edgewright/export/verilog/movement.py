"""Operators that move bytes, and kernels that stand at many places of an image, padded first where it must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from edgewright.export.verilog import Buffer, Factor, Loop, Site, Step, copied, image, kernel


@dataclass(frozen=True)
class Windows:
    """A kernel over an image.

    Attributes:
        before: steps that make a padded copy.
        read: the image, padded.
        taps: loops over columns and rows of the kernel.
        places: loops over columns and rows of the output.
        channels: of the image.
    """

    before: tuple[Step, ...]
    read: Buffer
    taps: tuple[Loop, Loop]
    places: tuple[Loop, Loop]
    channels: int


def padded(site: Site, pads: tuple[int, ...], fill: int, write: Buffer) -> tuple[Step, ...]:
    """Return steps that fill a larger image, and copy the image into it.

    Args:
        site: whose first input is copied.
        pads: top, left, bottom, right.
        fill: byte around the image.
        write: the larger image.
    """
    top, left, bottom, right = pads
    height, width, channels = image(site.values[0])
    wide = width + left + right
    size = (height + top + bottom) * wide * channels
    filled = Step(
        read=site.source, write=write, taps=(Loop(1, 0),), outputs=(Loop(size, 0, 1),), factors=(Factor(),),
        low=fill, high=fill, keeps=True,
    )  # fmt: skip
    row = Loop(width * channels, 1, 1)
    inner = Buffer(write.number, (top * wide + left) * channels)
    return filled, copied(site.source, inner, (row, Loop(height, width * channels, wide * channels)))


def windows(site: Site, fill: int) -> Windows:
    """Return the loops of an operator with kernel, strides, dilations and pads."""
    numbers = site.operator.numbers
    height, width, channels = image(site.values[0])
    rows, columns, filters = image(site.values[-1])
    pads = tuple(numbers["pads"])
    (kh, kw), (sh, sw), (dh, dw) = numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
    before: tuple[Step, ...] = ()
    read = site.source
    if any(pads):
        read = Buffer(site.spare)
        before = padded(site, pads, fill, read)
        width += pads[1] + pads[3]
    del height
    line = width * channels
    return Windows(
        before=before,
        read=read,
        taps=(Loop(kw, dw * channels), Loop(kh, dh * line)),
        places=(Loop(columns, sw * channels, filters), Loop(rows, sh * line, columns * filters)),
        channels=channels,
    )


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
