"""From where on a score is odd: by labels, by accepted false alarms, by a quantile, or as given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.detector import Threshold
from edgewright.schema.errors import InputError
from edgewright.workflows.detection.events import Counts, count, episodes, exposure, pieces
from edgewright.workflows.detection.rows import Stretch

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
        quantile: of the training scores, instead; None where false alarms or labels say.
        margin: factor on the quantile.
        threshold: given by a person; None where it is found.
        refractory: rows after an alarm without another; below 1 a share of the rows seen.
    """

    false_alarms: float = FALSE_ALARMS
    quantile: float | None = None
    margin: float = 1.0
    threshold: float | None = None
    refractory: float = 0


def threshold(pairs: Sequence[tuple[Stretch, Array]], asked: ThresholdRequest, per_second: float | None) -> Threshold:
    """From where on a score is odd.

    With labels: the threshold of the largest event F1. Without: the lowest that raises no more alarms than accepted
    and calls no more than one row in 100 odd.

    Args:
        pairs: stretches with their scores.
        asked: how.
        per_second: judgements a second; None where nobody knows.

    Raises:
        InputError: no scores at all, or a quantile that is none.
    """
    scores = np.concatenate([s[np.isfinite(s)] for _, s in pairs]) if pairs else np.zeros(0)
    if not len(scores):
        raise InputError("rows that the detector gives a score for", "none", do="Give more rows, or a shorter warm-up")
    labels = any(s.odd is not None and bool(s.odd.any()) for s, _ in pairs)
    if asked.threshold is not None:
        value, by, quantile = asked.threshold, "given", 0.0
    elif asked.quantile is not None:
        if not 0 < asked.quantile <= 1 or asked.margin <= 0:
            raise InputError("a quantile above 0 up to 1 and a margin above 0", f"{asked.quantile:g}, {asked.margin:g}")
        calm = np.concatenate([s[np.isfinite(s) & ~events_of(p)] for p, s in pairs])
        value, by, quantile = float(np.quantile(calm, asked.quantile)) * asked.margin, "quantile", asked.quantile
    else:
        tried = _candidates(scores)
        by = "labels" if labels else "quantile"
        value = _by_labels(pairs, tried, asked.refractory) if labels else _by_alarms(pairs, tried, asked, per_second)
        # 0 is 'not odd' by the contract: a threshold is above it, however still the rows were.
        value = max(value, float(np.nextafter(0, 1)))
        quantile = float(np.mean(scores < value)) if not labels else 0.0
    total = Counts()
    for stretch, own in pairs:
        total += count(own >= value, events_of(stretch), asked.refractory)
    days, per = exposure(total.calm, per_second)
    return Threshold(
        value=value, by=by, quantile=quantile, margin=asked.margin,  # type: ignore[arg-type]  # one of three words
        false_alarms=total.false / days if days else 0.0, per=per,  # type: ignore[arg-type]
    )  # fmt: skip


def events_of(stretch: Stretch) -> NDArray[np.bool_]:
    """Rows labelled odd, shape (rows,); none without labels."""
    return np.zeros(len(stretch.values), np.bool_) if stretch.odd is None else stretch.odd


def _candidates(scores: Array) -> Array:
    """Thresholds that are tried: quantiles, closer together towards the largest, and above it."""
    shares = 1 - np.geomspace(0.5, 1 / (2 * len(scores)), _CANDIDATES)
    top = float(scores.max())
    return np.unique(np.concatenate([np.quantile(scores, shares), top * np.array([1.0, 1.1, 1.25, 1.5, 2.0])]))


def _by_labels(pairs: Sequence[tuple[Stretch, Array]], tried: Array, refractory: float) -> float:
    """The middle of the thresholds with the largest F1 of events."""
    results = []
    for value in tried:
        total = Counts()
        for stretch, own in pairs:
            total += count(own >= value, events_of(stretch), refractory)
        results.append(total.f1)
    best = np.flatnonzero(np.isclose(results, max(results)))
    return float(tried[best[len(best) // 2]])


def _by_alarms(
    pairs: Sequence[tuple[Stretch, Array]], tried: Array, asked: ThresholdRequest, per_second: float | None
) -> float:
    """The lowest threshold with no more alarms than accepted, and no more odd rows than `MOST_ODD`, from there on."""
    rows = sum(len(s) for _, s in pairs)
    accepted = asked.false_alarms * exposure(rows, per_second)[0]
    value = float(tried[-1])
    for lower in tried[::-1]:
        odd = sum(int((own >= lower).sum()) for _, own in pairs)
        if odd > MOST_ODD * rows or sum(len(episodes(own >= lower, asked.refractory)) for _, own in pairs) > accepted:
            break
        value = float(lower)
    return value


def counted(odd: NDArray[np.bool_], events: NDArray[np.bool_] | None, refractory: float) -> list[Counts]:
    """Counts of pieces of a stretch; a refractory time would begin anew in every piece, so that it is then one."""
    labels = np.zeros(len(odd), np.bool_) if events is None else events
    return [count(odd, labels, refractory)] if refractory else pieces(odd, labels, max(1, min(_PIECE, len(odd) // 20)))
