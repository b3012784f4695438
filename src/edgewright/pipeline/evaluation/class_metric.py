"""The metric of a classifier's verdict: the one by which the race chooses, on the same classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.executor import Run, compile_graph
from edgewright.core.records.data import Floats, Samples
from edgewright.core.records.network import Graph, Node, Value
from edgewright.core.records.trace import Interval, MetricRecord
from edgewright.core.records.trace_flow import Channel, ClassSample, ClassSamples, Effect, Score
from edgewright.data.targets import as_text, class_names
from edgewright.pipeline.material import Material
from edgewright.training import metrics
from edgewright.training.metrics import SHARE, ClassMetric, Numbers, group_interval, widened

_CLASSES, _CANDIDATES, _PARTS, _EFFECTS = 8, 16, 16, 6
# Rows that the ranges of columns and the means of features are taken from, at most.
_LOOKED = 2_000
# Rows that samples are chosen from, at most.
_SEEN = 20_000
# Values of all samples together that the record keeps, and of one sample beyond which nothing is occluded.
_KEPT, _LARGEST = 16_384, 65_536
_CHANNELS = 64


def class_samples(material: Material, graph: Graph, feature_names: tuple[str, ...]) -> ClassSamples | None:
    """Choose and explain a sample of each class.

    Args:
        material: of the judged fit: its split says which samples may be looked at.
        graph: of the exported float model.
        feature_names: of the values at its boundary.

    Returns:
        The samples; None where a sample is too large to be shown.
    """
    samples, sides = material.samples, material.sides
    rows = _some(sides.validation if len(sides.validation) else sides.train, _SEEN)
    shape = tuple(int(n) for n in samples.X.shape[1:])
    if not len(rows) or len(shape) > 2 or np.prod(shape) > _LARGEST or shape[0] > 4 * _CHANNELS:
        return None
    explainer = _Explainer(samples, rows, graph, feature_names)
    names, chosen = _chosen(material, rows)
    explained = [explainer.explain(*explainer.typical(few, material.task)) for few in chosen]
    limit = max(1, _KEPT // max(1, len(explained)))
    return ClassSamples(
        side="validation" if len(sides.validation) else "training",
        shape=shape,
        channels=explainer.channels,
        samples=tuple(sample.record(limit, first=index == 0) for index, sample in enumerate(explained)),
        classes=names,
        score=explainer.kind,
    )


def _chosen(material: Material, rows: NDArray[np.int64]) -> tuple[int, list[NDArray[np.int64]]]:
    """Return how many classes there are, and some candidates of each that is shown."""
    y = material.samples.y[rows]
    if material.task != "classification":
        order = rows[np.argsort(y, kind="stable")]
        places = sorted({len(order) // 10, len(order) // 2, 9 * len(order) // 10})
        return len(places), [order[index : index + 1] for index in places]
    labels = as_text(y)
    names = class_names(labels)
    return len(names), [_some(rows[labels == name], _CANDIDATES) for name in names[:_CLASSES]]


def _some(rows: NDArray[np.int64], maximum: int) -> NDArray[np.int64]:
    """Return rows evenly spread, at most so many."""
    if len(rows) <= maximum:
        return rows
    return rows[np.linspace(0, len(rows) - 1, maximum).astype(np.int64)]


class _ClassSamples:
    """A sample with its answer, before it is written down."""

    def __init__(self, row: int, truth: str, answer: str, confidence: float, values: Floats) -> None:
        self.row, self.truth, self.answer, self.confidence, self.values = row, truth, answer, confidence, values
        self.drops: tuple[tuple[float, ...], ...] = ()
        self.effects: tuple[Effect, ...] = ()

    def record(self, limit: int, *, first: bool) -> ClassSample:
        """Return the record; values beyond `limit` are thinned, but for the first sample, which sliders change."""
        step = 1 if first or self.values.ndim == 1 else -(-self.values.size // limit)
        return ClassSample(
            row=self.row,
            truth=self.truth,
            answer=self.answer,
            confidence=self.confidence,
            values=np.ascontiguousarray(self.values[..., ::step], "<f4").tobytes(),
            step=step,
            drops=self.drops,
            effects=self.effects,
        )


class _Explainer:
    """The exported model, whole and from its boundary on."""

    def __init__(self, samples: Samples, rows: NDArray[np.int64], graph: Graph, feature_names: tuple[str, ...]) -> None:
        self.samples, self.graph, self.feature_names = samples, graph, feature_names
        looked = np.asarray(samples.X[_some(rows, _LOOKED)], np.float32)
        self.channels = tuple(_channels(samples, looked))
        self._means = np.array([channel.mean for channel in self.channels], np.float32)
        self.kind, self._score_value = _score_of(graph)
        answer = "probabilities" if graph.labels else graph.outputs[0].name
        boundary = "" if graph.boundary == graph.inputs[0].name else graph.boundary
        self._outputs = (answer, *([boundary] if boundary else []), self._score_value)
        self._run = compile_graph(graph, self._outputs)
        self._network: Run | None = None
        if boundary and samples.X.ndim > 2:
            features = self._run(_few(looked))[boundary]
            if features.ndim == 2 and features.shape[1] == len(feature_names):
                self._feature_means = np.asarray(np.nanmean(features, axis=0), np.float32)
                self._network = _network(graph, features.shape[1:], self._score_value)

    def typical(self, rows: NDArray[np.int64], task: str) -> tuple[int, str]:
        """Return the candidate whose right answer has the median confidence, else the surest one, and its truth."""
        truth = as_text(self.samples.y[rows])
        if task != "classification":
            return int(rows[0]), f"{float(self.samples.y[rows[0]]):.6g}"
        shares = self._run(self._values(rows))[self._outputs[0]]
        best, sure = shares.argmax(1), shares.max(1)
        right = np.flatnonzero(np.array(self.graph.labels)[best] == truth)
        at = right[np.argmin(np.abs(sure[right] - np.median(sure[right])))] if len(right) else np.argmax(sure)
        return int(rows[at]), str(truth[at])

    def explain(self, row: int, truth: str) -> _ClassSamples:
        """Answer a sample, and answer it again without each of its parts."""
        x = self._values(np.array([row]))
        given = self._run(x)
        score = given[self._outputs[0]].reshape(-1)
        best = int(score.argmax()) if self.graph.labels else 0
        answer = self.graph.labels[best] if self.graph.labels else f"{float(score[0]):.6g}"
        explanation = _ClassSamples(row, truth, answer, float(score[best]) if self.graph.labels else 1.0, x[0])
        if x.ndim == 2:
            explanation.effects = self._column_effects(x, best)
        else:
            explanation.drops = self._drops(x, best)
            if self._network is not None:
                explanation.effects = self._feature_effects(self._network, given[self._outputs[1]], best)
        return explanation

    def _values(self, rows: NDArray[np.int64]) -> Floats:
        return np.asarray(self.samples.X[rows], np.float32)

    def _score(self, X: Floats, best: int) -> NDArray[np.float64]:
        return _lead(self._run(X)[self._score_value], best)

    def _column_effects(self, x: Floats, best: int) -> tuple[Effect, ...]:
        width = x.shape[1]
        changed = np.repeat(x, width + 1, axis=0)
        changed[np.arange(width), np.arange(width)] = self._means
        score = self._score(changed, best)
        return _largest([channel.name for channel in self.channels], x[0], score[-1] - score[:-1])

    def _drops(self, x: Floats, best: int) -> tuple[tuple[float, ...], ...]:
        """Occlude each channel's parts one after the other; of many channels all at once."""
        _, channels, length = x.shape
        parts = min(_PARTS, length)
        edges = np.linspace(0, length, parts + 1).astype(np.int64)
        together = channels > _CHANNELS or channels * parts * x.size > 4_000_000
        groups = [np.arange(channels)] if together else [np.array([c]) for c in range(channels)]
        mean = np.nan_to_num(np.nanmean(np.where(np.isfinite(x[0]), x[0], np.nan), axis=1))
        changed = np.repeat(x, len(groups) * parts + 1, axis=0)
        for g, group in enumerate(groups):
            for p in range(parts):
                changed[g * parts + p, group, edges[p] : edges[p + 1]] = mean[group, None]
        score = self._score(changed, best)
        drops = (score[-1] - score[:-1]).reshape(len(groups), parts)
        return tuple(tuple(_rounded(v) for v in row) for row in drops)

    def _feature_effects(self, network: Run, features: Floats, best: int) -> tuple[Effect, ...]:
        width = features.shape[1]
        changed = np.repeat(np.asarray(features, np.float32), width + 1, axis=0)
        changed[np.arange(width), np.arange(width)] = self._feature_means
        score = _lead(network(changed)[self._score_value], best)
        return _largest(list(self.feature_names), features[0], score[-1] - score[:-1])


def _few(looked: Floats) -> Floats:
    """Return so many of the samples that features of them cost little."""
    return looked[: max(8, min(256, 1_000_000 // max(1, looked[0].size)))]


def _channels(samples: Samples, looked: Floats) -> Iterator[Channel]:
    for index, column in enumerate(samples.columns):
        values = looked[:, index]
        finite = np.asarray(values[np.isfinite(values)], np.float64)
        low, high, mean, deviation = (
            (finite.min(), finite.max(), finite.mean(), finite.std()) if finite.size else (0.0, 0.0, 0.0, 0.0)
        )
        yield Channel(
            name=column.name, unit=column.unit, low=_rounded(low), high=_rounded(high), mean=_rounded(mean),
            deviation=_rounded(deviation),
        )  # fmt: skip


def _score_of(graph: Graph) -> tuple[Score, str]:
    """Return what an answer is measured by, and the value that has it: log-odds are what goes into the softmax."""
    if not graph.labels:
        return "prediction", graph.outputs[0].name
    value = graph.stages[-1].value if graph.stages else "probabilities"
    softmax = next((node for node in graph.nodes if value in node.outputs and node.op == "Softmax"), None)
    return ("log-odds", softmax.inputs[0]) if softmax is not None else ("probability", value)


def _lead(scores: NDArray[Any], best: int) -> NDArray[np.float64]:
    """Return how far the answer is ahead of the next class; of an amount itself."""
    flat = np.asarray(scores.reshape(len(scores), -1), np.float64)
    if flat.shape[1] == 1:
        return flat[:, 0]
    return np.asarray(flat[:, best] - np.delete(flat, best, axis=1).max(axis=1))


def _network(graph: Graph, shape: tuple[int, ...], wanted: str) -> Run | None:
    """Return what computes the model's scores from its features; None where they need more than the features."""
    needed, kept = {wanted}, list[Node]()
    for node in reversed(graph.nodes):
        if graph.boundary not in node.outputs and needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    if graph.inputs[0].name in needed or graph.boundary not in needed:
        return None
    part = Graph(
        name=graph.name,
        inputs=(Value(name=graph.boundary, shape=shape),),
        outputs=(Value(name=wanted),),
        nodes=tuple(kept[::-1]),
        constants={name: array for name, array in graph.constants.items() if name in needed},
    )
    return compile_graph(part)


def _largest(names: list[str], values: NDArray[Any], drops: NDArray[np.float64]) -> tuple[Effect, ...]:
    order = np.argsort(-np.abs(np.nan_to_num(drops)), kind="stable")[:_EFFECTS]
    return tuple(Effect(name=str(names[i]), value=_rounded(values[i]), drop=_rounded(drops[i])) for i in order)


def _rounded(value: float) -> float:
    """Return a finite figure of five digits; missing values count as 0 in a plot."""
    return float(f"{value:.5g}") if np.isfinite(value) else 0.0


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
