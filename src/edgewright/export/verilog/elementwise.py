"""Operators of single bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic.requantise import twice
from edgewright.core.kernels.elementwise import EXTRA_BITS
from edgewright.export.verilog import Buffer, Loop, Site, Step, kernel

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
