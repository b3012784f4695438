"""What the evaluation says: classes in a reader's order, intervals that do not flatter, methods by their name."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from edgewright.core.records.trace import GroupRow
from edgewright.pipeline.evaluation.class_metric import VerdictMetric
from edgewright.pipeline.evaluation.evaluate import evaluate_classes
from edgewright.pipeline.leave_one_out import _Left, _record
from edgewright.training.metrics import accuracy_interval, macro_f1_interval, wilson

ROWS = np.arange(12)


def test_numbers_as_classes_stand_by_size() -> None:
    classes = ["0", "1", "10", "2"]  # as the network has them: sorted as text
    truth = np.array(["0", "1", "2", "10"] * 3)
    probabilities = np.full((12, 4), 0.1, np.float32)
    for row, label in enumerate(truth):
        probabilities[row, classes.index(label)] = 0.7
    probabilities[3] = [0.1, 0.1, 0.1, 0.7]  # a 10 taken for a 2
    record = evaluate_classes(truth, probabilities, classes, None, ROWS, split_by="row", majority=0.25)
    assert record.labels == ("0", "1", "2", "10")
    assert record.confusion == ((3, 0, 0, 0), (0, 3, 0, 0), (0, 0, 3, 0), (0, 0, 1, 2))
    assert [row.label for row in record.classes] == ["0", "1", "2", "10"]
    assert (record.mistakes[0].truth, record.mistakes[0].answer, record.mistakes[0].row) == ("10", "2", 3)


@pytest.mark.slow
def test_the_method_of_an_interval_is_what_was_drawn() -> None:
    truth = np.array(["a", "b"] * 6)
    probabilities = np.tile(np.array([[0.9, 0.1]], np.float32), (12, 1))
    four, many = np.repeat(["p", "q", "r", "s"], 3), np.arange(12).astype(str)
    few, many_groups = (f"t interval by group, {freedom} degrees of freedom, 95 %" for freedom in (3, 11))
    sample = "t interval by sample, 11 degrees of freedom, 95 %"
    for groups, method in (
        (None, sample), (np.full(12, "p"), f"{sample}, within one group"), (four, few), (many, many_groups),
    ):  # fmt: skip
        record = evaluate_classes(truth, probabilities, ["a", "b"], groups, ROWS, split_by="row", majority=0.5)
        assert record.macro_f1 is not None
        assert record.macro_f1.method == method


@pytest.mark.parametrize("right", [80, 100])
def test_groups_that_are_alike_do_not_make_the_interval_narrower_than_samples_do(right: int) -> None:
    answer = np.tile((np.arange(100) < right).astype(np.int64), 2)
    interval = accuracy_interval(np.ones(200, np.int64), answer, np.repeat(["p", "q"], 100))
    alone = wilson(2 * right, 200)
    assert interval.value == alone.value
    assert interval.low <= alone.low and interval.high >= alone.high
    assert interval.method == "t interval by group, 1 degrees of freedom, 95 %"
    f1 = macro_f1_interval(np.ones(200, np.int64), answer, 2, np.repeat(["p", "q"], 100))
    assert f1.method == interval.method
    assert f1.high - f1.low > 0.01 or right == 100
    one = accuracy_interval(np.ones(200, np.int64), answer, np.full(200, "p"))
    assert one.method == "wilson, within one group"


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_people_that_were_left_out_count_alike_and_a_gain_is_above_zero_where_the_model_is_better(task: str) -> None:
    better = 1.0 if task == "classification" else -1.0
    rng = np.random.default_rng(3)
    amounts = rng.normal(size=(4, 10))
    people = [
        _Left(
            row=GroupRow(group=name, samples=10), model=0.5 + better * (0.2 + 0.01 * number),
            majority=0.5, simplest=0.5 + 0.1 * better, truth=amounts[number],
            answers=amounts[number] + (0.5 if number < 2 else -0.5), simplest_answers=amounts[number],
            confidence=None, streams=None,
        )
        for number, name in enumerate("dbca")
    ]  # fmt: skip
    metric = VerdictMetric("accuracy", "a", 2) if task == "classification" else None
    record = _record(people, metric, 6, "person", simplest=False)
    assert [row.group for row in record.groups] == ["a", "b", "c", "d"] and (record.known, record.by) == (6, "person")
    assert record.score.value == pytest.approx(0.5 + better * 0.215)
    assert record.majority.value == pytest.approx(0.215)
    assert record.simplest is not None and record.simplest.gain.value == pytest.approx(0.115)
    assert record.simplest.score == pytest.approx(0.5 + 0.1 * better)
    for interval, deviation in ((record.majority, 0.01), (record.simplest.gain, 0.01)):
        half = student.ppf(0.975, 3) * deviation * np.std([0, 1, 2, 3], ddof=1) / 2
        assert (interval.low, interval.high) == pytest.approx((interval.value - half, interval.value + half))
    spread = ((amounts - amounts.mean()) ** 2).sum()
    assert record.r2 == (None if task == "classification" else pytest.approx(1 - 40 * 0.25 / spread))
    assert _record(people, metric, 6, "person", simplest=True).simplest is None
