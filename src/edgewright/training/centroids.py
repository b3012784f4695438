"""How well objects are found: pairs of found and true centres within one cell, F1 by class, intervals by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.objects import heat, objects_in
from edgewright.core.records.data import Floats, Labels
from edgewright.core.records.package import Centre, FoundObject, ObjectMap
from edgewright.core.records.trace_flow import Interval
from edgewright.training.metrics import SHARE, interval_of

# Thresholds that are tried: every so many sixteenths of log-odds.
_STEP = 4
# Pictures that a threshold is chosen on, at most.
_PICTURES = 500


@dataclass(frozen=True)
class Counts:
    """Numbers of each picture and class, shape (n, labels) each.

    Attributes:
        hits: true objects that were found.
        detected: objects that were found, right or wrong.
        true: objects that are there.
    """

    hits: NDArray[np.int64]
    detected: NDArray[np.int64]
    true: NDArray[np.int64]

    def f1(self, rows: NDArray[np.int64], label: int | None = None) -> float:
        """Return 2 hits / (found + true) over some pictures, of all labels or one; 1 where there is nothing at all."""
        hits, detected, true = (self._sum(part, rows, label) for part in (self.hits, self.detected, self.true))
        return 2 * hits / (detected + true) if detected + true else 1.0

    def precision(self, label: int | None = None) -> float:
        """Return the share of found objects that are there; 0 where none was found."""
        return self._sum(self.hits, None, label) / max(1, self._sum(self.detected, None, label))

    def recall(self, label: int | None = None) -> float:
        """Return the share of true objects that were found; 0 where there is none."""
        return self._sum(self.hits, None, label) / max(1, self._sum(self.true, None, label))

    def f1_interval(self, groups: Labels | None, label: int | None = None) -> Interval:
        """Return F1 with its interval by picture, or by group where that is wider."""
        return interval_of(groups, len(self.hits), lambda rows: self.f1(rows, label), SHARE, by="picture")

    @staticmethod
    def _sum(values: NDArray[np.int64], rows: NDArray[np.int64] | None, label: int | None) -> int:
        some = values if rows is None else values[rows]
        return int((some if label is None else some[:, label]).sum())


def count(objects: Sequence[Sequence[FoundObject]], true: Sequence[Sequence[Centre]], spec: ObjectMap) -> Counts:
    """Match the objects of each picture, the surest first, each with the nearest true one that is left.

    A pair has the same label and lies at most one cell apart, across and down.

    Args:
        objects: objects of each picture, the surest first.
        true: those that are there.
        spec: labels and sizes.
    """
    shape = (len(true), len(spec.labels))
    counts = Counts(*(np.zeros(shape, np.int64) for _ in range(3)))
    for picture, (mine, others) in enumerate(zip(objects, true, strict=True)):
        left = [(spec.labels.index(centre.label), centre.x * spec.width, centre.y * spec.height) for centre in others]
        for label, _, _ in left:
            counts.true[picture, label] += 1
        for centre in mine:
            counts.detected[picture, centre.label] += 1
            hit = _nearest(centre, left, spec)
            if hit is not None:
                left.remove(hit)
                counts.hits[picture, centre.label] += 1
    return counts


def _nearest(
    spot: FoundObject, left: Sequence[tuple[int, float, float]], spec: ObjectMap
) -> tuple[int, float, float] | None:
    wide, tall = spec.width / spec.columns, spec.height / spec.rows

    def distance(other: tuple[int, float, float]) -> float:
        return max(abs(other[1] - spot.x) / wide, abs(other[2] - spot.y) / tall)

    near = [other for other in left if other[0] == spot.label and distance(other) <= 1.0]
    return min(near, key=distance, default=None)


def best_threshold(maps: Floats, true: Sequence[Sequence[Centre]], spec: ObjectMap) -> int:
    """Return the threshold of largest F1, the middle one of equals.

    Args:
        maps: logits of pictures that the network was not fitted on, as `heat` takes them.
        true: objects of each picture.
        spec: its threshold is not used.
    """
    maps, true = maps[:_PICTURES], true[:_PICTURES]
    kinds, odds = heat(maps, spec)
    rows = np.arange(len(maps), dtype=np.int64)
    scores = {}
    for threshold in range(-96, 97, _STEP):
        candidate = ObjectMap(**{name: getattr(spec, name) for name in spec.__struct_fields__ if name != "threshold"},
                        threshold=threshold)  # fmt: skip
        objects = [objects_in(kind, sure, candidate) for kind, sure in zip(kinds, odds, strict=True)]
        scores[threshold] = count(objects, true, candidate).f1(rows)
    best = [threshold for threshold, score in scores.items() if score == max(scores.values())]
    return best[len(best) // 2]
