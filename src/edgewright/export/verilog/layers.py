"""Layers in Verilog: those with weights, operators of single bytes, pools, and operators that move bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import twice
from edgewright.core.kernels.elementwise import EXTRA_BITS
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


@kernel("dense")
def dense(site: Site) -> Iterator[Step]:
    """Yield one step; the loop over inputs is the only one for an output."""
    weights = site.operator.arrays["weights"]
    outputs, inputs = weights.shape
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(inputs, 1),),
        outputs=(Loop(outputs, 0, 1),),
        factors=site.factors(),
        weights=weights,
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )


@kernel("conv")
def conv(site: Site) -> Iterator[Step]:
    """Yield a step for each group; weights lie as they are used."""
    weights, groups = site.operator.arrays["weights"], site.operator.numbers.get("groups", (1,))[0]
    seen = windows(site, site.values[0].zero)
    yield from seen.before
    size, width = len(weights) // groups, weights.shape[3]
    factors = site.factors()
    for group in range(groups):
        own = slice(group * size, (group + 1) * size)
        yield _step(
            site,
            seen,
            read=Buffer(seen.read.number, group * width),
            write=Buffer(site.result.number, group * size),
            taps=(Loop(width, 1), *seen.taps),
            channels=Loop(size, 0, 1),
            factors=factors[own] if len(factors) > 1 else factors,
            weights=weights[own],
        )


@kernel("depthwise")
def depthwise(site: Site) -> Iterator[Step]:
    """Yield a step for each filter of a channel; a step goes through the channels."""
    weights = site.operator.arrays["weights"]
    seen = windows(site, site.values[0].zero)
    yield from seen.before
    each = weights.shape[2] // seen.channels
    factors = site.factors()
    for number in range(each):
        yield _step(
            site,
            seen,
            read=seen.read,
            write=Buffer(site.result.number, number),
            taps=seen.taps,
            channels=Loop(seen.channels, 1, each),
            factors=factors[number::each] if len(factors) > 1 else factors,
            weights=np.ascontiguousarray(weights[:, :, number::each].transpose(2, 0, 1)),
        )


def _step(
    site: Site,
    seen: Windows,
    *,
    read: Buffer,
    write: Buffer,
    taps: tuple[Loop, ...],
    channels: Loop,
    factors: tuple[Factor, ...],
    weights: NDArray[np.int8],
) -> Step:
    return Step(
        read=read,
        write=write,
        taps=taps,
        outputs=(channels, *seen.places),
        factors=factors,
        weights=weights,
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )


# A summand has at most 28 bits and a sign: so many digits of 8 bits with signs.
_DIGITS = 4


@kernel("relu", "quantise")
def requantised(site: Site) -> Iterator[Step]:
    """Yield a step that brings each byte to another grid."""
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(1, 0),),
        outputs=(Loop(int(np.prod(site.values[0].shape)), 1, 1),),
        factors=site.factors()[:1],
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )


@kernel("logistic", "table")
def looked_up(site: Site) -> Iterator[Step]:
    """Yield a step that looks each byte up."""
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(1, 0),),
        outputs=(Loop(int(np.prod(site.values[0].shape)), 1, 1),),
        weights=site.operator.arrays["table"],
        table=True,
        keeps=True,
    )


@kernel("add")
def add(site: Site) -> Iterator[Step]:
    """Yield a step that looks up what each byte of both inputs adds, digit by digit, and requantises the sum."""
    multiplier, shift = (site.operator.arrays[name] for name in ("multiplier", "shift"))
    summands = [
        twice((np.arange(-128, 128) - value.zero) << EXTRA_BITS, multiplier[index], shift[index])
        for index, value in enumerate(site.values[:2])
    ]
    yield Step(
        read=site.source,
        second=Buffer(site.operator.inputs[1]),
        write=site.result,
        taps=(Loop(2, 0), Loop(_DIGITS, 0)),
        outputs=(Loop(int(np.prod(site.values[0].shape)), 1, 1),),
        factors=(site.factor(0, int(multiplier[2]), int(shift[2]), once=False),),
        weights=_digits(np.stack(summands, axis=1)),
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )


def _digits(values: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the digits from -128 to 127 of numbers, the highest first: shape (256, digits, inputs)."""
    digits = []
    for _ in range(_DIGITS):
        digit = (values + 128) % 256 - 128
        digits.append(digit.astype(np.int8))
        values = (values - digit) // 256
    return np.stack(digits[::-1], axis=1)


# Bits of one over a count.
_BITS = 31


@kernel("max_pool")
def max_pool(site: Site) -> Iterator[Step]:
    """Yield the step that keeps the largest byte; padding is smaller than every byte."""
    seen = windows(site, -128)
    yield from seen.before
    yield Step(
        read=seen.read,
        write=site.result,
        taps=seen.taps,
        outputs=(Loop(seen.channels, 1, 1), *seen.places),
        maximum=True,
        low=site.operator.low,
        high=site.operator.high,
        keeps=True,
    )


@kernel("average_pool")
def average_pool(site: Site) -> Iterator[Step]:
    """Yield a step for each region of places that see equally many bytes, times one over their count."""
    numbers = site.operator.numbers
    height, width, channels = image(site.values[0])
    rows, columns, _ = image(site.values[-1])
    top, left = numbers["pads"][:2]
    (kh, kw), (sh, sw) = numbers["kernel"], numbers["strides"]
    for y in _runs(rows, kh, sh, top, height):
        for x in _runs(columns, kw, sw, left, width):
            yield Step(
                read=Buffer(site.source.number, (y.read * width + x.read) * channels),
                write=Buffer(site.result.number, (y.first * columns + x.first) * channels),
                taps=(Loop(x.taps, channels), Loop(y.taps, width * channels)),
                outputs=(
                    Loop(channels, 1, 1),
                    Loop(x.places, sw * channels, channels),
                    Loop(y.places, sh * width * channels, columns * channels),
                ),
                factors=(_reciprocal(x.taps * y.taps),),
                low=site.operator.low,
                high=site.operator.high,
            )


@dataclass(frozen=True)
class _Run:
    """Places along an axis: the first and how many; the first byte that they see, and how many of the kernel's taps."""

    first: int
    places: int
    read: int
    taps: int


def _runs(places: int, taps: int, stride: int, before: int, length: int) -> list[_Run]:
    """Return neighbouring places that see as many bytes, whole kernels as one run."""
    runs: list[_Run] = []
    for index in range(places):
        begin = index * stride - before
        read, end = max(begin, 0), min(begin + taps, length)
        if runs and end - read == taps and runs[-1].taps == taps:
            runs[-1] = replace(runs[-1], places=runs[-1].places + 1)
        else:
            runs.append(_Run(index, 1, read, end - read))
    return runs


def _reciprocal(count: int) -> Factor:
    """Return one over a count that rounds every sum of so many bytes as the division does; checked for all of them."""
    shift = _BITS + count.bit_length() - 1
    multiplier = -(-(1 << shift) // count)
    sums = np.arange(128 * count + 1, dtype=np.int64)
    assert np.array_equal((sums + count // 2) // count, (sums * multiplier + (1 << (shift - 1))) >> shift)  # noqa: S101
    return Factor(0, multiplier, 0, shift)


@kernel("mean")
def mean(site: Site) -> Iterator[Step]:
    """Yield the step that sums a channel."""
    height, width, channels = image(site.values[0])
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(height * width, channels),),
        outputs=(Loop(channels, 1, 1),),
        factors=site.factors(),
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )
