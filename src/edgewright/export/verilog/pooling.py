"""Pools and means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgewright.export.verilog import Buffer, Factor, Loop, Site, Step, image, kernel
from edgewright.export.verilog.movement import windows

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
