"""Alarms against labelled events: found, missed, false, each with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.detector_stream import pause

_Z = 1.959963984540054
_DAY = 86400.0
# An alarm may begin a tenth of an event's length before it, so many rows at least and at most: labels are not exact.
_EARLY = (1, 10)
# Normal rows that an alarm may cover at its event whatever its length: detectors remember that long.
_LINGER = 60


@dataclass(frozen=True)
class Counts:
    """Events found and missed, alarms that are false, and rows outside of events.

    Attributes:
        found, missed: events.
        false: alarms that begin in no event, or that cover normal rows more than odd ones.
        alarms: all that were raised; one event may raise several.
        calm: rows outside of events.
    """

    found: int = 0
    missed: int = 0
    false: int = 0
    alarms: int = 0
    calm: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.found + other.found, self.missed + other.missed, self.false + other.false,
            self.alarms + other.alarms, self.calm + other.calm,
        )  # fmt: skip

    @property
    def f1(self) -> float:
        """Harmonic mean of recall, found of all events, and precision, found of found and false; 0 for none."""
        return f1(self.found, self.false, self.missed)


def f1(found: float, false: float, missed: float) -> float:
    """2 found / (2 found + false + missed)."""
    total = 2 * found + false + missed
    return 2 * found / total if total else 0.0


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First row and end of every stretch of true rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def episodes(odd: NDArray[np.bool_], refractory: float) -> list[tuple[int, int]]:
    """Alarms as stretches of rows: runs of odd rows, or with a refractory time single rows, none within it."""
    if not refractory:
        return runs(odd)
    found, free = [], 0
    for row in np.flatnonzero(odd).tolist():
        if row >= free:
            found.append((row, row + 1))
            free = row + 1 + pause(refractory, row + 1)
    return found


def count(odd: NDArray[np.bool_], events: NDArray[np.bool_], refractory: float = 0) -> Counts:
    """Compares rows called odd with rows labelled odd.

    An event is found by an alarm that begins in it, or at most a tenth of its length (1 to 10 rows) before it and lasts
    into it. An alarm that was on already finds nothing: it would be on whatever happens. False is an alarm that begins
    in no event, and one that covers more normal rows than odd ones, where those are more than 60.

    Args:
        odd: shape (rows,), score at or above the threshold.
        events: shape (rows,), labels; a run of true rows is one event.
        refractory: rows after an alarm without another; below 1 a share of the rows seen.
    """
    alarms = episodes(odd, refractory)
    true = runs(events)
    begins, ends = np.array(alarms, np.int64).reshape(-1, 2).T
    right = np.zeros(len(alarms), np.bool_)
    found = 0
    for start, end in true:
        early = min(_EARLY[1], max(_EARLY[0], (end - start) // 10))
        within = (begins >= start - early) & (begins < end) & (ends > start)
        found += bool(within.any())
        right |= within
    calm = np.concatenate([[0], np.cumsum(~events)])
    normal = calm[ends] - calm[begins]
    right &= normal <= np.maximum(_LINGER, ends - begins - normal)
    return Counts(found, len(true) - found, int((~right).sum()), len(alarms), int(calm[-1]))


def pieces(odd: NDArray[np.bool_], events: NDArray[np.bool_], length: int) -> list[Counts]:
    """Counts of pieces of about `length` rows, none of which cuts an event or an alarm: what is drawn again.

    Args:
        odd: shape (rows,), score at or above the threshold.
        events: shape (rows,), labels.
        length: rows of a piece.
    """
    free = [
        edge
        for edge in range(length, len(odd), length)
        if not events[edge - 1 : edge + 1].any() and not odd[edge - 1 : edge + 1].all()
    ]
    return [count(odd[a:b], events[a:b]) for a, b in pairwise([0, *free, len(odd)])]


def share(part: int, whole: int) -> tuple[float, float, float]:
    """A share with its interval of 95 % (Wilson, 1927); 0, 0, 1 for none."""
    if not whole:
        return 0.0, 0.0, 1.0
    p, z = part / whole, _Z
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def rate(counted: int, exposure: float) -> tuple[float, float, float]:
    """Events per unit of exposure with an interval of 95 % (Byar's approximation of Poisson limits)."""
    if exposure <= 0:
        return 0.0, 0.0, math.inf
    up = counted + 1
    low = counted * (1 - 1 / (9 * counted) - _Z / (3 * math.sqrt(counted))) ** 3 if counted else 0.0
    high = up * (1 - 1 / (9 * up) + _Z / (3 * math.sqrt(up))) ** 3
    return counted / exposure, max(0.0, low) / exposure, high / exposure


def exposure(calm: int, per_second: float | None) -> tuple[float, str]:
    """Rows outside of events as days, or as thousands of rows where nobody knows the rate."""
    return (calm / per_second / _DAY, "day") if per_second else (calm / 1000, "1000 rows")


def bootstrap(counts: Sequence[Counts], draws: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """F1 of parts drawn again with replacement, shape (draws,); the same seed draws the same parts."""
    table = np.array([[c.found, c.false, c.missed] for c in counts], np.float64).reshape(-1, 3)
    rng = np.random.default_rng(seed)
    sums = table[rng.integers(len(table), size=(draws, len(table)))].sum(1)
    total = 2 * sums[:, 0] + sums[:, 1] + sums[:, 2]
    return np.asarray(np.where(total > 0, 2 * sums[:, 0] / np.maximum(total, 1), 0.0))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 %."""
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))
