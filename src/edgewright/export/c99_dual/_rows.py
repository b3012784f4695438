"""Two rows of weights in halfwords, what must hold for that to be exact, and the instructions that kernels share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import exact, factors_of, settle, start_of

C = parts(__file__, "dual.c")
"""Functions of these cores: assembly where GCC or Clang read it, else intrinsics of ACLE, else C99."""
# Rows of a block: two pairs, each with a sum of whole words and one of the low bytes.
BLOCK = 4
# The sum of a pair's second row is there 256 times.
_MAX_SUM = 1 << 23
Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Rows:
    """Rows of weights as the instructions take them.

    Attributes:
        words: for each block of four rows: what its sums begin with, then for each two inputs a word of the first pair
            and one of the second. A halfword is 256 times the second row's weight and once the first's.
        multipliers, shifts: one a row, rows without weights included; the shift is that of the upper 32 bits.
        pairs: of inputs.
    """

    words: Words
    multipliers: NDArray[np.int64]
    shifts: NDArray[np.int64]
    pairs: int


def rows_of(site: Site, weights: NDArray[np.int8], *, multiple: int = 2, factors: bool = False) -> Rows | None:
    """Return rows (channels, inputs) packed; None where a bound does not hold.

    Args:
        site: with the operator; its sums take all inputs, those outside an image as its zero point.
        weights: in the order of the inputs.
        multiple: inputs are filled up to it by weights of 0.
        factors: whether each block ends with multiplier and shift of every row.
    """
    start, rows = start_of(site, 0), weights.astype(np.int64)
    bias = start.bias
    multipliers, shifts = factors_of(site, -(-len(rows) // BLOCK) * BLOCK)
    if factors:
        bias, rows = settle(site, start, rows, multipliers, shifts)
    largest = np.abs(bias) + 128 * np.abs(rows).sum(axis=1)
    if start.zero or (rows == -128).any() or (largest >= _MAX_SUM).any():
        return None
    if not exact(site, largest, multipliers, shifts):
        return None
    count, inputs = rows.shape
    padded = np.zeros((-(-count // BLOCK) * BLOCK, -(-inputs // multiple) * multiple), np.int64)
    padded[:count, :inputs] = rows
    bias = np.concatenate([bias, np.zeros(len(padded) - count, np.int64)])
    halves = (256 * padded[1::2] + padded[::2]) & 0xFFFF
    words = halves[:, ::2] | halves[:, 1::2] << 16
    begin = np.stack([256 * bias[1::2] + bias[::2], bias[::2]], axis=1) & 0xFFFFFFFF
    after = np.stack([multipliers, shifts], axis=1)[:, : 2 * factors]
    blocks = [
        np.concatenate([begin[pair : pair + 2].ravel(), words[pair : pair + 2].T.ravel(), ends.ravel()])
        for pair, ends in zip(range(0, len(words), 2), np.split(after, len(words) // 2), strict=True)
    ]
    return Rows(np.concatenate(blocks).astype(np.uint32), multipliers, shifts, padded.shape[1] // 2)


def instructions(unit: Unit, *, single: bool) -> None:
    """Write the functions that the kernels share; `single` says whether they round once."""
    unit.helper("apart", NOINLINE)
    unit.helper("instructions", C["where"])
    rounding = ("rounded_once",) if single else ("rounded_sum", "rounded_twice")
    for name in ("two", "bytes", "others", "second", "byte", *rounding):
        unit.helper(name, C[name])
