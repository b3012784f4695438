"""The verdict's metric is that of the race, for the model and for what it is compared with."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.core.records.data import Column, DataSet, Samples
from edgewright.core.records.trace import EvaluationRecord, Interval, MetricRecord
from edgewright.pipeline.evaluation.class_metric import VerdictMetric, metric_record, verdict_metric
from edgewright.race.heats import choose
from edgewright.race.problem import Problem
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, READY, state_of, verdict
from edgewright.training.metrics import default_class_metric

RARE = np.array(["ok"] * 96 + ["fault"] * 4)


def problem_with(labels: np.ndarray) -> Problem:
    columns, places = (Column(name="a"),), np.arange(len(labels), dtype=np.int64)
    samples = Samples(X=np.zeros((len(labels), 1), np.float32), y=labels, groups=None, starts=places,
                      sessions=np.full(len(labels), "s"), columns=columns, rate=None)  # fmt: skip
    dataset = DataSet(name="d", columns=columns, recordings=(), target_name="y")
    return Problem("d", dataset, samples, samples.y, "classification", None, "row", places)


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        ([50, 50], "accuracy"), ([91, 9], "average-precision"), ([89, 11], "balanced-accuracy"),
        ([40, 30, 30], "accuracy"), ([60, 20, 20], "balanced-accuracy"),
        ([97, 2, 1], "balanced-accuracy"), ([5], "accuracy"),
    ],
)  # fmt: skip
def test_race_and_verdict_choose_the_same_metric(counts: list[int], name: str) -> None:
    labels = np.repeat([f"class {index}" for index in range(len(counts))], counts)
    assert default_class_metric(np.array(counts)) == name
    assert verdict_metric(labels).name == name
    if len(counts) > 1:
        assert choose(problem_with(labels))[0].name == name


def test_average_precision_of_confidence_labels_and_a_constant() -> None:
    metric = verdict_metric(RARE)
    assert (metric.name, metric.rare) == ("average-precision", "fault")
    confidence = np.asarray(RARE == "fault", np.float32)
    assert metric.score(RARE, RARE) == 1.0
    assert metric.score(RARE, np.full(100, "ok"), confidence) == 1.0, "a low confidence that ranks right is perfect"
    assert metric.score(RARE, np.full(100, "ok")) == pytest.approx(0.04)
    assert metric.constant(RARE) == 0.04


def test_balanced_accuracy_counts_classes_alike() -> None:
    metric = VerdictMetric("balanced-accuracy", "b", 2)
    truth = np.array(["a"] * 90 + ["b"] * 10)
    assert metric.score(truth, np.full(100, "a")) == 0.5 == metric.constant(truth)


def test_an_interval_of_a_perfect_score_is_as_wide_as_the_rare_samples_are_few() -> None:
    confidence = np.asarray(RARE == "fault", np.float32)
    record = metric_record(verdict_metric(RARE), RARE, RARE, confidence, None)
    assert isinstance(record, MetricRecord)
    assert (record.score.value, record.rare) == (1.0, ("fault", 4))
    # Wilson's interval of 4 of 4 begins at .51.
    assert record.score.low == pytest.approx(0.51, abs=0.07)
    even = np.repeat(["a", "b"], 50)
    assert metric_record(verdict_metric(even), even, even, None, None) is msgspec.UNSET


@pytest.mark.parametrize(
    ("low", "value", "count", "state"),
    [(0.7, 1.0, 8, READY), (0.7, 1.0, 4, NOT_READY), (0.001, 0.01, 40, NOT_READY)],
)
def test_a_rare_fault_is_judged_by_average_precision(low: float, value: float, count: int, state: str) -> None:
    """Accuracy of 99.6 % is no better than the most frequent class, whatever the model finds."""
    score = Interval(value=value, low=low, high=1.0, method="t")
    accuracy = Interval(value=0.996, low=0.994, high=0.998, method="wilson")
    hits = count if value == 1.0 else count // 2
    record = EvaluationRecord(
        samples=2000, split_by="row", accuracy=accuracy, majority=0.996, labels=("fault", "ok"),
        confusion=((hits, count - hits), (0, 2000 - count)),
        metric=MetricRecord(name="average-precision", score=score, constant=0.004, rare=("fault", count)),
    )  # fmt: skip
    assert state_of(verdict(evaluation=record)) == state


def test_chance_in_the_metric_of_uneven_classes_is_no_model() -> None:
    score = Interval(value=0.5, low=0.45, high=0.55, method="t")
    record = EvaluationRecord(
        samples=1000, split_by="row", accuracy=Interval(value=0.8, low=0.77, high=0.83, method="wilson"), majority=0.8,
        labels=("a", "b"), confusion=((800, 0), (200, 0)),
        metric=MetricRecord(name="balanced-accuracy", score=score, constant=0.5, rare=("b", 200)),
    )  # fmt: skip
    assert state_of(verdict(evaluation=record)) == NO_MODEL
