"""What must hold for bytes to come from the upper 32 bits of a sum times its factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.requantise import twice
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._rounding import Start


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


def settle(
    site: Site, start: Start, rows: NDArray[np.int64], multipliers: NDArray[np.int64], shifts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return biases and weights (channels, inputs) where a byte that never changes has weights of 0.

    Training leaves such channels dead, with factors that no bound holds for.

    Args:
        site: with the operator.
        start: of its sums.
        rows: weights.
        multipliers: of the rows at least; those of such channels are replaced.
        shifts: likewise.
    """
    same = _constant(site, start, rows)
    if not same.any():
        return start.bias, rows
    # Whatever the input, the byte is this: four times what is added to the zero point, over four.
    bias = np.where(same, 4 * (_answers(site, start.bias) - site.target.zero), start.bias)
    multipliers[: len(same)][same], shifts[: len(same)][same] = 2**30, 1
    return bias, np.where(same[:, None], 0, rows)


def _constant(site: Site, start: Start, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether a row's byte is the same for all inputs; one outside an image is the zero point."""
    if single(site):
        return np.zeros(len(rows), np.bool_)
    zero = int(start.zero or 0)
    low, high = (-128 - zero) * rows, (127 - zero) * rows
    least, most = (start.bias + bound(low, high).sum(axis=1) for bound in (np.minimum, np.maximum))
    return np.equal(_answers(site, least), _answers(site, most))


def _answers(site: Site, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes of sums, one a channel, rounded twice."""
    own, operator = site.operator.arrays, site.operator
    made = twice(sums, own["multiplier"].ravel(), own["shift"].ravel()) + site.target.zero
    return np.clip(made, operator.low, operator.high)
