"""The metric of a classifier's verdict: the one by which the race chooses, on the same classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats
from edgewright.schema.trace import Interval, MetricRecord
from edgewright.training import metrics
from edgewright.training.metrics import SHARE, ClassMetric, Numbers, group_interval, widened


@dataclass(frozen=True)
class VerdictMetric:
    """Metric of labels, and for a rare class of the probability that it is there.

    Attributes:
        name: of the metric.
        rare: the rarest class.
        classes: number of classes.
    """

    name: ClassMetric
    rare: str
    classes: int

    def score(self, truth: NDArray[Any], labels: NDArray[Any], confidence: Floats | None = None) -> float:
        """Return the score of predictions.

        Args:
            truth: true labels, shape (n,).
            labels: predicted labels, shape (n,).
            confidence: probability of the rarest class, shape (n,); None for a model that only gives labels.
        """
        if self.name == "average-precision":
            return metrics.average_precision(truth == self.rare, self.confidence_of(labels, confidence))
        names, codes = np.unique(np.concatenate([truth, labels]), return_inverse=True)
        true, answer = codes[: len(truth)].astype(np.int64), codes[len(truth) :].astype(np.int64)
        if self.name == "balanced-accuracy" and len(names):
            return metrics.balanced_accuracy(true, answer)
        return metrics.accuracy(true, answer)

    def confidence_of(self, labels: NDArray[Any], confidence: Floats | None) -> Floats:
        """Return the confidence in the rarest class; 1 where the label says so, if none is given."""
        return np.asarray(labels == self.rare, np.float32) if confidence is None else confidence

    def constant(self, truth: NDArray[Any]) -> float:
        """Return the score of a constant prediction: the rarest class's share, or that of one class of all."""
        return float(np.mean(truth == self.rare)) if self.name == "average-precision" else 1.0 / self.classes


def verdict_metric(y: NDArray[Any]) -> VerdictMetric:
    """Return the metric for labels that train, shape (n,)."""
    names, counts = np.unique(y, return_counts=True)
    return VerdictMetric(metrics.default_class_metric(counts), str(names[counts.argmin()]), len(names))


def rare_confidence(metric: VerdictMetric, probabilities: Floats, classes: Sequence[Any]) -> Floats | None:
    """Return the probability of the rarest class, shape (n,); None if a model does not know that class."""
    names = [str(name) for name in classes]
    return np.asarray(probabilities[:, names.index(metric.rare)]) if metric.rare in names else None


def metric_record(
    metric: VerdictMetric,
    truth: NDArray[Any],
    labels: NDArray[Any],
    confidence: Floats | None,
    groups: NDArray[Any] | None,
) -> MetricRecord | msgspec.UnsetType:
    """Return the score with its interval; unset if accuracy is the metric."""
    if metric.name == "accuracy" or not len(truth):
        return msgspec.UNSET
    rare_count = int(np.sum(truth == metric.rare))

    def score(rows: Numbers) -> float:
        return metric.score(truth[rows], labels[rows], None if confidence is None else confidence[rows])

    # A perfect score has no spread: the samples of the rarest class alone say how far it may be off.
    alone = group_interval(np.arange(len(truth)), score, by="sample", within=SHARE, samples=max(1, rare_count))
    interval: Interval = widened(alone, groups, score, SHARE)
    return MetricRecord(
        name=metric.name, score=interval, constant=metric.constant(truth), rare=(metric.rare, rare_count)
    )
