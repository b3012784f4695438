"""How well objects are found: pairs of found and true centres within one cell, F1 by class, intervals by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.objects import heat, objects_in
from edgewright.schema.data import Floats, Labels
from edgewright.schema.objects import Centre, Found, ObjectMap
from edgewright.schema.trace_flow import Interval
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
        found: objects that were found, right or wrong.
        true: objects that are there.
    """

    hits: NDArray[np.int64]
    found: NDArray[np.int64]
    true: NDArray[np.int64]

    def f1(self, rows: NDArray[np.int64], label: int | None = None) -> float:
        """Return 2 hits / (found + true) over some pictures, of all labels or one; 1 where there is nothing at all."""
        hits, found, true = (self._sum(part, rows, label) for part in (self.hits, self.found, self.true))
        return 2 * hits / (found + true) if found + true else 1.0

    def precision(self, label: int | None = None) -> float:
        """Return the share of found objects that are there; 0 where none was found."""
        return self._sum(self.hits, None, label) / max(1, self._sum(self.found, None, label))

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


def count(found: Sequence[Sequence[Found]], true: Sequence[Sequence[Centre]], spec: ObjectMap) -> Counts:
    """Match the objects of each picture, the surest first, each with the nearest true one that is left.

    A pair has the same label and lies at most one cell apart, across and down.

    Args:
        found: objects of each picture, the surest first.
        true: those that are there.
        spec: labels and sizes.
    """
    shape = (len(true), len(spec.labels))
    made = Counts(*(np.zeros(shape, np.int64) for _ in range(3)))
    for picture, (mine, others) in enumerate(zip(found, true, strict=True)):
        left = [(spec.labels.index(one.label), one.x * spec.width, one.y * spec.height) for one in others]
        for label, _, _ in left:
            made.true[picture, label] += 1
        for one in mine:
            made.found[picture, one.label] += 1
            hit = _nearest(one, left, spec)
            if hit is not None:
                left.remove(hit)
                made.hits[picture, one.label] += 1
    return made


def _nearest(one: Found, left: Sequence[tuple[int, float, float]], spec: ObjectMap) -> tuple[int, float, float] | None:
    wide, tall = spec.width / spec.columns, spec.height / spec.rows

    def apart(other: tuple[int, float, float]) -> float:
        return max(abs(other[1] - one.x) / wide, abs(other[2] - one.y) / tall)

    near = [other for other in left if other[0] == one.label and apart(other) <= 1.0]
    return min(near, key=apart, default=None)


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
        one = ObjectMap(**{name: getattr(spec, name) for name in spec.__struct_fields__ if name != "threshold"},
                        threshold=threshold)  # fmt: skip
        found = [objects_in(kind, sure, one) for kind, sure in zip(kinds, odds, strict=True)]
        scores[threshold] = count(found, true, one).f1(rows)
    best = [threshold for threshold, score in scores.items() if score == max(scores.values())]
    return best[len(best) // 2]
