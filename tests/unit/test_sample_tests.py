"""Runs on the same samples are compared by pairs: McNemar's exact test of classes, a paired bootstrap of amounts."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

import trace_example
from cli_runner import Cli
from edgewright.core.records.trace import EvaluationRecord
from edgewright.pipeline.evaluation.evaluate import evaluate_classes, evaluate_numbers
from edgewright.trace.compare import Comparison, Entry, compare
from edgewright.trace.page_model import read_trace
from edgewright.training.losses import MOST_ERRORS, sample_gain
from edgewright.training.metrics import paired_gain
from small_pipeline import run_small, write_rows, write_toml

TRUTH = np.array(["off", "on"] * 100)
ROWS = np.arange(200)
AMOUNTS = np.linspace(0.0, 10.0, 300)


def classes(wrong: list[int], truth: np.ndarray = TRUTH, rows: np.ndarray = ROWS) -> EvaluationRecord:
    """Return the evaluation of a model that is wrong at these places."""
    answers = (truth == "on") ^ np.isin(np.arange(len(truth)), wrong)
    probabilities = np.stack([~answers, answers], axis=1).astype(np.float32)
    return evaluate_classes(truth, probabilities, ["off", "on"], None, rows, split_by="row", majority=0.5)


def amounts(spread: float, count: int = 300, groups: np.ndarray | None = None) -> EvaluationRecord:
    truth = np.resize(AMOUNTS, count)
    noise = np.random.default_rng(1).standard_normal(count)
    return evaluate_numbers(truth, truth + spread * noise, groups, split_by="row")


def compared(first: EvaluationRecord, other: EvaluationRecord) -> Comparison:
    traces = [msgspec.structs.replace(trace_example.trace(1), evaluation=one) for one in (first, other)]
    entries = [Entry(label=name, folder=name, trace=t, config=t.config) for name, t in zip("ab", traces, strict=True)]
    return compare(entries, paired_gain, sample_gain)


def difference(record: Comparison, name: str) -> str:
    return next(row.differences[1] for row in record.results if row.name == name)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (5, 5), (9, 1), (3, 12), (40, 20)])
def test_p_is_that_of_the_binomial_by_hand(better: int, worse: int) -> None:
    first, other = classes(list(range(better))), classes(list(range(100, 100 + worse)))
    gain = sample_gain(first, other)
    assert gain is not None and (gain.better, gain.worse) == (better, worse)
    total = better + worse
    tail = sum(math.comb(total, k) for k in range(min(better, worse) + 1)) / 2**total
    assert gain.p == pytest.approx(min(1.0, 2 * tail))


def test_a_small_change_that_intervals_hide_is_seen_by_pairs() -> None:
    record = compared(classes(list(range(40))), classes(list(range(30))))
    text = difference(record, "accuracy")
    assert text == "up 5 points; paired by sample, 10 newly right, 0 newly wrong, p = 0.002"
    assert not any("pairs" in note for note in record.notes)
    assert difference(compared(classes([0]), classes([1])), "accuracy") == "same"
    assert "may be chance" in difference(compared(classes([0, 1, 2]), classes([1, 3])), "accuracy")


@pytest.mark.parametrize(
    "other",
    [
        classes([1], rows=ROWS[::-1].copy()),
        classes([1], truth=TRUTH[::-1].copy()),
        classes([1], truth=TRUTH[:150], rows=ROWS[:150]),
    ],
)
def test_other_samples_are_not_paired(other: EvaluationRecord) -> None:
    assert sample_gain(classes([0]), other) is None
    record = compared(classes([0]), other)
    assert "b has other test samples than a: the scores are compared without pairs" in record.notes


def test_a_record_of_before_says_so() -> None:
    old = msgspec.structs.replace(classes([0, 1]), answers=msgspec.UNSET)
    record = compared(old, classes([0]))
    assert "a: no answers by sample are kept, so the scores are compared without pairs" in record.notes
    assert "overlap" in difference(record, "accuracy")
    again = msgspec.json.decode(msgspec.json.encode(classes([3])), type=EvaluationRecord)
    assert sample_gain(again, classes([])) == sample_gain(classes([3]), classes([]))


def test_amounts_have_an_interval_of_the_change() -> None:
    gain = sample_gain(amounts(1.0), amounts(0.9))
    assert gain is not None
    for name, change in gain.changes.items():
        assert change.low <= change.value <= change.high < 0
        first, other = amounts(1.0).regression[name], amounts(0.9).regression[name]
        assert change.value == pytest.approx(other - first, rel=1e-4)
    assert "paired by sample, 95 % CI -" in difference(compared(amounts(1.0), amounts(0.9)), "mae")
    assert difference(compared(amounts(1.0), amounts(1.0)), "mae") == "same"
    assert "R²" not in gain.changes


def test_samples_of_groups_are_not_paired_one_by_one() -> None:
    people = np.repeat(["ann", "bo", "cy"], 100)
    assert "paired" not in difference(compared(amounts(1.0, 300, people), amounts(0.9, 300, people)), "mae")


def test_many_amounts_keep_no_errors() -> None:
    record = amounts(1.0, MOST_ERRORS + 1)
    assert record.answers is msgspec.UNSET
    assert any("no answers by sample" in note for note in compared(record, amounts(0.5, MOST_ERRORS + 1)).notes)


@pytest.mark.slow
def test_two_runs_of_rows_are_compared_by_pairs(cli: Cli, tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    first = run_small(toml, tmp_path / "a", "training.epochs=1").folder
    other = run_small(toml, tmp_path / "b", "training.epochs=40").folder
    evaluation = read_trace(first / "trace.json").evaluation
    assert evaluation is not None and evaluation.answers
    assert "newly right" in cli("compare", first, other)
