"""The threshold of a detector, and its alarms against labelled events: found, missed, false, each with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorError
from edgewright.monitor.detector_stream import pause
from edgewright.monitor.records import Threshold
from edgewright.workflows.detection.rows import Stretch

_Z = 1.959963984540054
_DAY = 86400.0
_DRAWS = 2000
# An alarm may begin a tenth of an event's length before it, so many rows at least and at most: labels are not exact.
_EARLY = (1, 10)
# Normal rows that an alarm may cover at its event whatever its length: detectors remember that long.
_LINGER = 60


@dataclass(frozen=True)
class Counts:
    """Events found and missed, alarms that are false, and rows outside of events.

    Attributes:
        detected, missed: events.
        false: alarms that begin in no event, or that cover normal rows more than odd ones.
        alarms: all that were raised; one event may raise several.
        calm: rows outside of events.
    """

    detected: int = 0
    missed: int = 0
    false: int = 0
    alarms: int = 0
    calm: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.detected + other.detected, self.missed + other.missed, self.false + other.false,
            self.alarms + other.alarms, self.calm + other.calm,
        )  # fmt: skip

    @property
    def f1(self) -> float:
        """Harmonic mean of recall, found of all events, and precision, found of found and false; 0 for none."""
        return f1(self.detected, self.false, self.missed)


def f1(detected: float, false: float, missed: float) -> float:
    """2 found / (2 found + false + missed)."""
    total = 2 * detected + false + missed
    return 2 * detected / total if total else 0.0


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First row and end of every stretch of true rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def episodes(odd: NDArray[np.bool_], refractory: float) -> list[tuple[int, int]]:
    """Return alarms as stretches of rows: runs of odd rows, or with a refractory time single rows, none within it."""
    if not refractory:
        return runs(odd)
    starts, free = [], 0
    for row in np.flatnonzero(odd).tolist():
        if row >= free:
            starts.append((row, row + 1))
            free = row + 1 + pause(refractory, row + 1)
    return starts


def count(odd: NDArray[np.bool_], events: NDArray[np.bool_], refractory: float = 0) -> Counts:
    """Compare rows called odd with rows labelled odd.

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
    detected = 0
    for start, end in true:
        early = min(_EARLY[1], max(_EARLY[0], (end - start) // 10))
        within = (begins >= start - early) & (begins < end) & (ends > start)
        detected += bool(within.any())
        right |= within
    calm = np.concatenate([[0], np.cumsum(~events)])
    normal = calm[ends] - calm[begins]
    right &= normal <= np.maximum(_LINGER, ends - begins - normal)
    return Counts(detected, len(true) - detected, int((~right).sum()), len(alarms), int(calm[-1]))


def pieces(odd: NDArray[np.bool_], events: NDArray[np.bool_], length: int) -> list[Counts]:
    """Return counts of pieces of about `length` rows, none of which cuts an event or an alarm: what is drawn again.

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
    """Return a share with its interval of 95 % (Wilson, 1927); 0, 0, 1 for none."""
    if not whole:
        return 0.0, 0.0, 1.0
    p, z = part / whole, _Z
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return p, max(0.0, middle - half), min(1.0, middle + half)


def rate(counted: int, exposure: float) -> tuple[float, float, float]:
    """Return events per unit of exposure with an interval of 95 % (Byar's approximation of Poisson limits)."""
    if exposure <= 0:
        return 0.0, 0.0, math.inf
    up = counted + 1
    low = counted * (1 - 1 / (9 * counted) - _Z / (3 * math.sqrt(counted))) ** 3 if counted else 0.0
    high = up * (1 - 1 / (9 * up) + _Z / (3 * math.sqrt(up))) ** 3
    return counted / exposure, max(0.0, low) / exposure, high / exposure


def exposure(calm: int, per_second: float | None) -> tuple[float, str]:
    """Return rows outside of events as days, or as thousands of rows where nobody knows the rate."""
    return (calm / per_second / _DAY, "day") if per_second else (calm / 1000, "1000 rows")


def bootstrap(counts: Sequence[Counts]) -> NDArray[np.float64]:
    """F1 of parts drawn again with replacement, shape (draws,); the same seed draws the same parts."""
    table = np.array([[c.detected, c.false, c.missed] for c in counts], np.float64).reshape(-1, 3)
    rng = np.random.default_rng(0)
    sums = table[rng.integers(len(table), size=(_DRAWS, len(table)))].sum(1)
    total = 2 * sums[:, 0] + sums[:, 1] + sums[:, 2]
    return np.asarray(np.where(total > 0, 2 * sums[:, 0] / np.maximum(total, 1), 0.0))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the middle 95 %."""
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


# Alarms that are accepted where nobody says: one a day, or one in a thousand rows without a rate.
FALSE_ALARMS = 1.0
# Rows that may be odd without labels, however few alarms they make: an alarm that lasts for days is no answer.
MOST_ODD = 0.01
_CANDIDATES = 200
# The longest piece, in rows, that is drawn again for an interval.
_PIECE = 300
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdRequest:
    """How the threshold is found.

    Attributes:
        false_alarms: alarms a day (in 1,000 rows without a rate) accepted on rows taken as normal.
        threshold: given by a person; None where it is found.
        refractory: rows after an alarm without another; below 1 a share of the rows seen.
    """

    false_alarms: float = FALSE_ALARMS
    threshold: float | None = None
    refractory: float = 0


def threshold(pairs: Sequence[tuple[Stretch, Array]], request: ThresholdRequest, per_second: float | None) -> Threshold:
    """From where on a score is odd.

    With labels: the threshold of the largest event F1. Without: the lowest that raises no more alarms than accepted
    and calls no more than one row in 100 odd.

    Args:
        pairs: stretches with their scores.
        request: how.
        per_second: judgements a second; None where nobody knows.

    Raises:
        InputError: no scores at all.
    """
    scores = np.concatenate([s[np.isfinite(s)] for _, s in pairs]) if pairs else np.zeros(0)
    if not len(scores):
        raise DetectorError(
            "rows that get a score from the detector", "none", do="Give more rows, or a shorter warm-up"
        )
    labels = any(s.odd is not None and bool(s.odd.any()) for s, _ in pairs)
    if request.threshold is not None:
        value, by, quantile = request.threshold, "given", 0.0
    else:
        candidates = _candidates(scores)
        by = "labels" if labels else "quantile"
        value = (
            _by_labels(pairs, candidates, request.refractory)
            if labels
            else _by_alarms(pairs, candidates, request, per_second)
        )
        # 0 is 'not odd' by the contract: a threshold is above it, however still the rows were.
        value = max(value, float(np.nextafter(0, 1)))
        quantile = float(np.mean(scores < value)) if not labels else 0.0
    total = Counts()
    for stretch, own in pairs:
        total += count(own >= value, events_of(stretch), request.refractory)
    days, per = exposure(total.calm, per_second)
    return Threshold(
        value=value, by=by, quantile=quantile,  # type: ignore[arg-type]  # one of three words
        false_alarms=total.false / days if days else 0.0, per=per,  # type: ignore[arg-type]
    )  # fmt: skip


def events_of(stretch: Stretch) -> NDArray[np.bool_]:
    """Return rows labelled odd, shape (rows,); none without labels."""
    return np.zeros(len(stretch.values), np.bool_) if stretch.odd is None else stretch.odd


def _candidates(scores: Array) -> Array:
    """Thresholds that are tried: quantiles, closer together towards the largest, and above it."""
    shares = 1 - np.geomspace(0.5, 1 / (2 * len(scores)), _CANDIDATES)
    top = float(scores.max())
    return np.unique(np.concatenate([np.quantile(scores, shares), top * np.array([1.0, 1.1, 1.25, 1.5, 2.0])]))


def _by_labels(pairs: Sequence[tuple[Stretch, Array]], candidates: Array, refractory: float) -> float:
    """Return the middle of the thresholds with the largest F1 of events."""
    results = []
    for value in candidates:
        total = Counts()
        for stretch, own in pairs:
            total += count(own >= value, events_of(stretch), refractory)
        results.append(total.f1)
    best = np.flatnonzero(np.isclose(results, max(results)))
    return float(candidates[best[len(best) // 2]])


def _by_alarms(
    pairs: Sequence[tuple[Stretch, Array]], candidates: Array, request: ThresholdRequest, per_second: float | None
) -> float:
    """Return the lowest threshold from which alarms and odd rows stay within what is accepted and `MOST_ODD`."""
    rows = sum(len(s) for _, s in pairs)
    accepted = request.false_alarms * exposure(rows, per_second)[0]
    value = float(candidates[-1])
    for lower in candidates[::-1]:
        odd = sum(int((own >= lower).sum()) for _, own in pairs)
        if odd > MOST_ODD * rows or sum(len(episodes(own >= lower, request.refractory)) for _, own in pairs) > accepted:
            break
        value = float(lower)
    return value


def counted(odd: NDArray[np.bool_], events: NDArray[np.bool_] | None, refractory: float) -> list[Counts]:
    """Count in pieces of a stretch; with a refractory time, which would restart in each piece, in one."""
    labels = np.zeros(len(odd), np.bool_) if events is None else events
    return [count(odd, labels, refractory)] if refractory else pieces(odd, labels, max(1, min(_PIECE, len(odd) // 20)))
