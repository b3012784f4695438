"""A choice with few people: better and not larger wins, an exact test says what it can show, in every command."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from benchmarks.language.few_shot import _share
from numpy.typing import NDArray

from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import METRICS
from edgewright.schema.device import DecisionSpec
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.report import compare
from edgewright.search.architecture.trial import CandidateTrial, TrialScore
from edgewright.search.ladder.model_comparison import LadderState, choose_with_few, probabilities
from edgewright.training.metrics import group_interval
from edgewright.training.permutation_test import power, smallest_p
from edgewright.workflows.tuning.grid import GridScore, Tally
from edgewright.workflows.tuning.selection import Cost, paired

EACH = 100


def _answers(shares: list[float], y: NDArray[np.int64]) -> NDArray[np.float32]:
    """Right for the first samples of each person, by that person's share."""
    right = np.concatenate([np.arange(EACH) < round(share * EACH) for share in shares])
    return np.eye(2, dtype=np.float32)[np.where(right, y, 1 - y)]


def _judge(people: int, comparisons: int = 3) -> tuple[ComparisonCriteria, NDArray[np.int64]]:
    y = np.tile([0, 1], people * EACH // 2)
    return ComparisonCriteria(METRICS["accuracy"], y, np.repeat(np.arange(people), EACH), "group", comparisons), y


# Eight people; one of them defeats the threshold, so that no interval of its gain excludes zero.
MAJORITY = [0.5] * 8
THRESHOLD = [0.99, 0.98, 0.97, 0.99, 0.96, 0.95, 0.99, 0.36]
RULES = [0.74, 0.72, 0.75, 0.73, 0.74, 0.72, 0.76, 0.74]
LINEAR = [0.96, 0.93, 0.95, 0.92, 0.94, 0.95, 0.96, 0.87]


def _climbed(people: int, rungs: dict[str, tuple[list[float], tuple[float, float]]], patience: int = 0) -> LadderState:
    judge, y = _judge(people)
    climb = LadderState(judge, patience=patience)
    for name, (shares, size) in rungs.items():
        climb.step(name, _answers(shares, y), size=size)
    return climb


def test_with_eight_people_no_worse_and_larger_rung_is_chosen() -> None:
    climb = _climbed(8, {
        "majority": (MAJORITY, (300, 60)), "threshold": (THRESHOLD, (600, 90)), "rules": (RULES, (1800, 320)),
        "linear": (LINEAR, (1500, 300)),
    })  # fmt: skip
    judge = climb.judge
    old = judge.gain(climb.measured_rungs["threshold"].answers, climb.measured_rungs["majority"].answers)
    assert old.low < 0
    assert judge.gain(climb.measured_rungs["rules"].answers, climb.measured_rungs["majority"].answers).low > 0
    choose_with_few(climb)
    assert climb.chosen in ("threshold", "linear")
    assert not climb.steps["rules"].climbed
    for step in list(climb.steps.values())[1:]:
        assert step.p is not None
        assert step.p >= smallest_p(8)


def test_what_is_better_and_not_larger_needs_no_test() -> None:
    shares = [0.5 + 0.01 * (n % 5) for n in range(20)]
    far = [share + 0.3 for share in shares]
    climb = _climbed(20, {"a": (shares, (500, 100)), "b": (far, (900, 100)), "c": (far, (800, 100))})
    assert climb.chosen == "b"
    better = [share + (0.06 if n % 4 == 0 else -0.01) for n, share in enumerate(far)]
    smaller = _climbed(20, {"a": (shares, (500, 100)), "b": (far, (900, 100)), "c": (better, (800, 100))})
    assert (smaller.chosen, smaller.steps["c"].climbed) == ("c", True)
    assert smaller.steps["c"].why == "better than b and not larger: no test is needed"
    larger = _climbed(20, {"a": (shares, (500, 100)), "b": (far, (900, 100)), "c": (better, (800, 101))})
    assert larger.chosen == "b"
    # One that was passed over on the way, and is better and smaller than what was climbed later, is taken back.
    spread = [0.99 if n > 2 else 0.05 for n in range(20)]
    back = _climbed(20, {"a": ([0.5] * 20, (300, 60)), "b": (spread, (400, 70)), "c": ([0.66] * 20, (900, 100))})
    assert back.judge.gain(back.measured_rungs["b"].answers, back.measured_rungs["a"].answers).low < 0
    assert (back.chosen, back.steps["b"].why) == ("b", "better than c and not larger: no test is needed")


def test_the_probability_is_that_of_all_exchanges_of_whole_people() -> None:
    judge, y = _judge(5, comparisons=1)
    one, other = [0.9, 0.8, 0.85, 0.7, 0.6], [0.7, 0.75, 0.6, 0.72, 0.5]
    differences = np.array(one) - np.array(other)
    all_signs = [abs(float((np.array(signs) * differences).sum())) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean([total >= abs(differences.sum()) - 1e-9 for total in all_signs])
    p_values = probabilities(judge, {"one": (_answers(one, y), _answers(other, y))})
    assert p_values["one"] == pytest.approx(expected)
    agreeing = probabilities(judge, {"one": (_answers([0.9] * 5, y), _answers([0.8] * 5, y))})
    assert agreeing["one"] == pytest.approx(smallest_p(5))


def test_how_little_can_be_shown_is_said() -> None:
    assert power(4, "group") == "with 4 groups no difference can be significant at 5 %: the smallest p is 0.125"
    assert "smallest p is 0.0078" in power(8, "group")
    assert "all 8 groups agree" in power(8, "group")
    assert "at least 9 of 10 days agree" in power(10, "day")


@pytest.mark.slow
def test_equal_rungs_are_told_apart_no_more_often_than_stated() -> None:
    rng, shown = np.random.default_rng(3), 0
    y, units = np.zeros(120, np.int64), np.repeat(np.arange(6), 20)
    judge = ComparisonCriteria(METRICS["accuracy"], y, units, "group", comparisons=3)
    for _ in range(100):
        people = np.repeat(rng.normal(0, 0.15, (4, 6)), 20, axis=1)
        right = rng.random((4, 120)) < 0.7 + people
        answers = [np.eye(2, dtype=np.float32)[np.where(r, 0, 1)] for r in right]
        p_values = probabilities(judge, {str(k): (answers[k], answers[0]) for k in (1, 2, 3)})
        shown += min(p_values.values()) <= 0.05
    # Of 100 draws at 5 %, 12 or more have a chance of less than 1 in 200.
    assert shown < 12


def _trial_score(errors: list[int]) -> TrialScore:
    """Six people of a hundred windows, with so many wrong answers each."""
    correct = np.concatenate([np.arange(EACH) < wrong for wrong in errors])
    interval = group_interval(np.repeat(np.arange(6), EACH), lambda rows: float(correct[rows].mean()), by="unit")
    return TrialScore(
        error=interval.value, low=interval.low, high=interval.high, method=interval.method, macro_f1=None, units=6,
        samples=600, unit_sums=tuple(map(float, errors)), unit_samples=(EACH,) * 6,
    )  # fmt: skip


def test_points_of_a_search_are_compared_by_the_same_test() -> None:
    trials = [
        CandidateTrial(number=n, batch=0, point={}, estimate=Estimate(flash=n, ram=1, latency_us=1), state="done")
        for n in (3, 5, 8)
    ]
    scores = {
        3: _trial_score([20] * 6),
        5: _trial_score([9, 12, 10, 13, 8, 11]),
        8: _trial_score([10, 9, 11, 9, 10, 10]),
    }
    comparison = compare(trials, scores, "classification")
    assert comparison is not None
    assert (comparison.best, comparison.enough) == (8, 5)
    assert comparison.power == power(6, "unit")
    assert set(comparison.p) == {3, 5}
    assert comparison.p[3] == pytest.approx(smallest_p(6))
    assert comparison.p[5] > 0.05
    # A study of an earlier version kept no sums.
    assert compare(trials, {n: msgspec.structs.replace(one, unit_sums=()) for n, one in scores.items()}, "") is None


def test_a_tuned_decision_is_held_against_the_old_one_by_the_same_test() -> None:
    people = [f"p{n}" for n in range(6)]

    def decided(missed: list[int]) -> GridScore:
        return GridScore(DecisionSpec(alarms=("fall",)), tuple(Tally(9, m, 0, 0, 3600.0, ()) for m in missed))

    comparison = paired(decided([1] * 6), decided([3] * 6), Cost(1, 20), people)
    assert comparison is not None
    assert comparison.p == pytest.approx(smallest_p(6))
    assert comparison.power == power(6, "person", "people")
    mixed = paired(decided([1, 4, 1, 4, 1, 4]), decided([3] * 6), Cost(1, 20), people)
    assert mixed is not None
    assert mixed.p > 0.5
    assert paired(decided([1] * 12), decided([3] * 12), Cost(), [f"p{n}" for n in range(12)]) is None


def test_few_folds_of_people_say_how_little_they_tell() -> None:
    # Two draws of four folds are no eight measurements.
    values = [(fold, 0.6 + 0.1 * fold + 0.01 * draw) for fold in range(4) for draw in range(2)]
    low, high = (float(part) for part in _share(values)[:-1].split("(")[1].split(" to "))
    assert high - low > 35
