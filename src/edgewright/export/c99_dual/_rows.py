"""Two rows of weights in halfwords, and what must hold for that to be exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.requantise import twice
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import start_of

# Rows of a block: two pairs, each with a sum of whole words and one of the low bytes.
BLOCK = 4
# The sum of a pair's second row is there 256 times.
_MOST = 1 << 23
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
    same = constant(site, bias, rows)
    if factors and same.any():
        # Whatever the input, the byte is this: four times what is added to the zero point, over four.
        rows = np.where(same[:, None], 0, rows)
        bias = np.where(same, 4 * (answers(site, bias) - site.target.zero), bias)
        multipliers[: len(same)][same], shifts[: len(same)][same] = 2**30, 1
    largest = np.abs(bias) + 128 * np.abs(rows).sum(axis=1)
    if start.zero or (rows == -128).any() or (largest >= _MOST).any():
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


def factors_of(site: Site, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return multiplier of so many rows, those without weights included, and shift of its upper 32 bits."""
    own = site.operator.arrays
    made = []
    for name in ("multiplier", "shift"):
        flat = own[name].astype(np.int64).ravel()
        made.append(np.concatenate([flat, np.full(max(count - flat.size, 0), flat[0])])[:count])
    return made[0], made[1] - 32 if single(site) else -made[1]


def single(site: Site) -> bool:
    """Return whether the operator rounds once."""
    return bool(site.operator.numbers.get("single", (0,))[0])


def constant(site: Site, bias: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether a row's byte is the same for all inputs, as in channels that training left dead."""
    if single(site):
        return np.zeros(len(rows), np.bool_)
    least = bias + np.minimum(127 * rows, -128 * rows).sum(axis=1)
    most = bias + np.maximum(127 * rows, -128 * rows).sum(axis=1)
    return np.equal(answers(site, least), answers(site, most))


def answers(site: Site, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes of sums, one a channel, rounded twice."""
    own, operator = site.operator.arrays, site.operator
    made = twice(sums, own["multiplier"].ravel(), own["shift"].ravel()) + site.target.zero
    return np.clip(made, operator.low, operator.high)


def exact(site: Site, sums: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]) -> bool:
    """Return whether sums are clamped by a byte alone and rounded from the upper 32 bits of a product as from all 64.

    Rounding once needs the lower bits only to tell a tie from less than it: not where no product but 0 ends with 32
    zeros. Rounding twice takes twice the sum, and shifts down.

    Args:
        site: with the operator.
        sums: largest absolute value of each.
        multipliers: of the rows.
        shifts: of the upper 32 bits.
    """
    if (site.operator.low, site.operator.high) != (-128, 127) or multipliers.max() >= 2**31 or multipliers.min() <= 0:
        return False
    if not ((shifts > 0) & (shifts < 32)).all():
        return False
    if not single(site):
        return int(sums.max()) < 2**29
    zeros = max(int(m & -m).bit_length() - 1 for m in multipliers.tolist())
    return int(sums.max()) < 1 << min(32 - zeros, 30)
