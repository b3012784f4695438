"""The last blocks of a channel against the reference of the package, with a false-alarm rate that rests on blocks.

Rows of sensors depend on the rows before them, so nothing is tested row by row: a block is one observation, and its
spread from block to block (batch means; Law and Kelton) says how much chance can do. Blocks that resemble their
neighbours count for fewer, by the factor (1 - r) / (1 + r) of a first-order autoregression. Where the memory of rows is
nearly as long as the blocks together, these lie on one side and do not show it: `memory` does, from training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.package import ReferenceColumn
from edgewright.monitor.drift.change_detection import BLOCKS, Bins, Ring

_SMALL, _HALVINGS = 1e-3, 60


def share_between(x: float) -> float:
    """Variance of the mean of a stretch over that of single rows; 1 for none at all, towards 2/x for a long one.

    Args:
        x: length of the stretch in memories, 0 or more.
    """
    if x < _SMALL:
        return 1.0 - x / 3
    if math.isinf(x):
        return 0.0
    return 2 * (x - 1 + math.exp(-x)) / x**2


def memories(between: float) -> float:
    """Return length of a block in memories, from the share of the variance that lies between blocks.

    Args:
        between: from 0 (infinitely many memories) to 1 (none).
    """
    if between >= 1:
        return 0.0
    if between <= 0:
        return math.inf
    low, high = 0.0, 2 / between  # the share is below 2/x everywhere
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if share_between(middle) > between:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def strays(within: float, blocks: int) -> float:
    """Return standard deviation of the mean of so many blocks, by chance, in deviations of training.

    Args:
        within: mean variance of rows about the mean of their block, over the variance of training.
        blocks: one after the other.
    """
    return math.sqrt(share_between(blocks * memories(1 - within)))


def normal_tail(away: float, spread: float) -> float:
    """P of a normal value as far from 0 on either side; 0 where it has no spread."""
    return math.erfc(abs(away) / spread / math.sqrt(2)) if spread > 0 else 0.0


_MAX_TERMS, _NEAR, _TINY = 300, 1e-14, 1e-300


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), to about 1e-12.

    By its continued fraction (Abramowitz and Stegun 26.5.8), evaluated with Lentz's method.

    Args:
        a: above 0.
        b: above 0.
        x: from 0 to 1.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    c, d = 1.0, 1.0 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MAX_TERMS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _not_zero(1 + step * d)
            c = _not_zero(1 + step / c)
            value *= c * d
        if abs(c * d - 1) < _NEAR:
            break
    return front * value / a


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def student_tail(t: float, freedom: float) -> float:
    """P(|T| >= |t|) of Student's t; 0 for an infinite t."""
    if math.isinf(t):
        return 0.0
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def f_tail(value: float, above: float, below: float) -> float:
    """P(F >= value) of the F distribution with `above` and `below` degrees of freedom."""
    if math.isinf(value):
        return 0.0
    if value <= 0:
        return 1.0
    return incomplete_beta(below / 2, above / 2, below / (below + above * value))


Array = NDArray[np.float64]
Test = Literal["mean", "deviation", "shape", "outside", "missing", "change"]
LENGTHS = (BLOCKS // 2, BLOCKS)
TESTS = 3
_QUICK = 2  # blocks that settle it where values are missing or were never seen in training
_STICKY = 0.9  # a lag-1 correlation beyond it cannot be told from 1 in so few blocks
# Shares below this are taken as this: one row in a bin that training left empty is no drift.
_FLOOR = 0.01


class Sizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which size on a difference matters, however sure it is.

    Attributes:
        mean: shift of the mean, in deviations of training.
        deviation: factor on the deviation of training.
        narrower: divisor of it: a stream that does only some of what training held is no drift, one that stands is.
        shape: population stability index; .25 is the customary 'large change' of credit scoring.
        outside: share of values beyond the smallest and largest of training.
        missing: share of rows without a value, beyond that of training.
    """

    mean: float = 0.5
    deviation: float = 1.5
    narrower: float = 10.0
    shape: float = 0.25
    outside: float = 0.5
    missing: float = 0.25


@dataclass(frozen=True)
class Finding:
    """How a channel differs from training.

    Attributes:
        test: what said so.
        score: size of the difference over the size that matters; 1 and more is drift, if it is sure.
        sure: probability of so much by chance, of one test, 1 where nothing was tested.
        since: block of the ring with which it begins.
        shift, ratio, psi: of the mean in deviations of training, of the deviations, of the bins.
    """

    test: Test
    score: float
    sure: float
    since: int
    shift: float
    ratio: float
    psi: float


def stability_index(observed: Array, expected: Array) -> float:
    """Compute the population stability index: sum of (found - expected) ln(found / expected), floor .01."""
    p, e = np.maximum(observed, _FLOOR), np.maximum(expected, _FLOOR)
    return float(((p - e) * np.log(p / e)).sum())


def scale_of(column: ReferenceColumn) -> float:
    """Return the deviation of training, or a thousandth of the level (of one) where it never moved."""
    minimum = 1e-3 * max(abs(column.mean), 1.0)
    return column.deviation if column.deviation > 1e-6 * minimum else minimum


def compare(ring: Ring, column: ReferenceColumn, bins: Bins, sizes: Sizes, alpha: float) -> tuple[Finding, bool]:
    """Return the largest difference of the last blocks from training, and whether it is drift: large enough, and sure.

    Args:
        ring: at least one block.
        column: of the package.
        bins: of the column.
        sizes: that matter.
        alpha: probability of a false alarm that one test may have.
    """
    quick = _quick(ring, column, sizes)
    if quick is not None:
        return quick, True
    findings = [
        finding for length in LENGTHS if len(ring) >= length for finding in _tested(ring, length, column, bins, sizes)
    ]
    if not findings:
        return Finding("mean", 0.0, 1.0, 0, 0.0, 1.0, 0.0), False
    drifted = [finding for finding in findings if finding.score >= 1 and finding.sure <= alpha]
    return max(drifted or findings, key=lambda finding: finding.score), bool(drifted)


def changed(ring: Ring, column: ReferenceColumn, sizes: Sizes, alpha: float) -> Finding | None:
    """Return a change of the mean from one rhythm to the next: habits that come with every rhythm stand in both.

    Args:
        ring: see `compare`; nothing is said before it is full.
        column: see `compare`.
        sizes: see `compare`.
        alpha: see `compare`.
    """
    z = (ring.moments("mean") - column.mean) / scale_of(column)
    half = LENGTHS[0]
    if len(z) < LENGTHS[1] or not np.isfinite(z).all():
        return None
    before, after = z[:half], z[half:]
    step = float(after.mean() - before.mean())
    if abs(step) < sizes.mean:
        return None
    spread = math.sqrt(sum(float(part.var(ddof=1)) * inflation(part) / half for part in (before, after)))
    sure = student_tail(step / spread if spread > 0 else math.inf, half - 1)
    # Halves that follow each other differ by less than two that do not, so this is on the safe side.
    sure = max(sure, normal_tail(step, math.sqrt(2) * strays(_within(ring.moments("deviation"), column), half)))
    if sure > alpha:
        return None
    middle = float(before.mean() + after.mean()) / 2
    since = began((z - middle) * (1 if step > 0 else -1))
    return Finding("change", abs(step) / sizes.mean, sure, since, float(after.mean()), 1.0, 0.0)


def _quick(ring: Ring, column: ReferenceColumn, sizes: Sizes) -> Finding | None:
    """Return what needs no statistics: half of the values were never seen in training, or are not there at all."""
    if len(ring) < _QUICK:
        return None
    for test, share, limit in (
        ("missing", ring.shares("missing") - column.missing, sizes.missing),
        ("outside", ring.shares("outside"), sizes.outside),
    ):
        if (share[-_QUICK:] >= limit).all():
            shift, ratio = _effects(ring, slice(-_QUICK, None), column)
            since = began(share - limit / 2)
            return Finding(test, float(share[-_QUICK:].mean()) / limit, 0.0, since, shift, ratio, 0.0)  # type: ignore[arg-type]
    return None


def _tested(ring: Ring, length: int, column: ReferenceColumn, bins: Bins, sizes: Sizes) -> list[Finding]:
    """Return the three tests over the last `length` blocks."""
    means, deviations, shares = ring.moments("mean"), ring.moments("deviation"), ring.shares()
    part = np.flatnonzero(np.isfinite(means))
    part = part[part >= len(ring) - length]
    if len(part) < LENGTHS[0] // 2:
        return []
    scale = scale_of(column)
    z = (means - column.mean) / scale
    power = (deviations / scale) ** 2 + z**2  # second moment about the mean of training; 1 in training
    shift, ratio = _effects(ring, part, column)
    mixed = shares[part].mean(0)
    psi = stability_index(mixed, bins.expected)
    up = 1 if shift >= 0 else -1
    wider = 1 if ratio >= 1 else -1
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(power) / 2, -10.0)
    # How far each block goes the way that all of them went.
    way = (mixed - bins.expected) / np.maximum(bins.expected, _FLOOR)
    along = (shares - bins.expected) @ way
    half = float(along[part].mean()) / 2
    limit = math.log(sizes.deviation if ratio >= 1 else sizes.narrower)
    log_ratio = math.log(max(ratio, 1e-6))
    # A mean is sure where blocks as they are, and rows as they hang together, both say so.
    chance = normal_tail(float(z[part].mean()), strays(_within(deviations[part], column), len(part)))
    return [
        Finding("mean", abs(shift) / sizes.mean, max(chance, _mean_tail(z[part], 0.0)), began(up * z - sizes.mean / 2),
                shift, ratio, psi),
        Finding("deviation", abs(log_ratio) / limit, _mean_tail(power[part], 1.0), began(wider * logs - limit / 2),
                shift, ratio, psi),
        Finding("shape", psi / sizes.shape, _shape_tail(shares[part], bins.expected), began(along - half),
                shift, ratio, psi),
    ]  # fmt: skip


def _within(deviations: Array, column: ReferenceColumn) -> float:
    """Return mean variance about the means of blocks, over the variance of training; 1 where training never moved."""
    if scale_of(column) != column.deviation:
        return 1.0
    return float((deviations**2).mean()) / scale_of(column) ** 2


def _effects(ring: Ring, part: NDArray[np.int64] | slice, column: ReferenceColumn) -> tuple[float, float]:
    """Shift of the mean in deviations, and factor on the deviation (about the mean of training), of some blocks."""
    scale = scale_of(column)
    z = (ring.moments("mean")[part] - column.mean) / scale
    spread = ring.moments("deviation")[part] / scale
    kept = np.isfinite(z)
    if not kept.any():
        return 0.0, 1.0
    shift = float(z[kept].mean())
    return shift, float(math.sqrt(max(0.0, float((spread[kept] ** 2 + z[kept] ** 2).mean()) - shift**2)))


def inflation(series: Array) -> float:
    """(1 + r) / (1 - r) of the correlation r with the next block, at least 1: so many blocks count as one."""
    centred = series - series.mean()
    below = float((centred**2).sum())
    if below <= 0 or len(series) < 3:
        return 1.0
    r = min(max(float((centred[1:] * centred[:-1]).sum()) / below, 0.0), _STICKY)
    return (1 + r) / (1 - r)


def _mean_tail(series: Array, expected: float) -> float:
    """P of a mean as far from `expected`, by Student's t over blocks."""
    away = float(series.mean()) - expected
    spread = float(series.std(ddof=1)) * math.sqrt(inflation(series) / len(series))
    return student_tail(away / spread if spread > 0 else math.inf, len(series) - 1) if away else 1.0


def _shape_tail(shares: Array, expected: Array) -> float:
    """P of shares as far from the expected ones: their chi-square distance against its spread over blocks.

    The distance is a sum of dependent squares; its mean and variance are matched by a scaled chi-square
    (Satterthwaite, 1946), and that the spread itself is estimated makes it an F.
    """
    root = np.sqrt(np.maximum(expected, _FLOOR))
    scaled = (shares - expected) / root
    mean = scaled.mean(0)
    factor = max(inflation(column) for column in scaled.T)
    centred = scaled - mean
    spread = centred.T @ centred / (len(shares) - 1) * factor / len(shares)
    trace, squared = float(np.trace(spread)), float((spread**2).sum())
    if trace <= 0:
        return 0.0 if float((mean**2).sum()) > 0 else 1.0
    return f_tail(float((mean**2).sum()) / trace, trace**2 / squared, len(shares) - 1)


def began(away: Array) -> int:
    """Return the block with which a difference begins: after the last lowest point of its sum (Page, 1954).

    Args:
        away: shape (blocks,), how much a block differs less half of what matters; NaN counts as 0.
    """
    sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(away, nan=0.0))])
    lowest = len(sums) - 1 - int(np.argmin(sums[::-1]))
    return min(lowest, len(away) - 1)
