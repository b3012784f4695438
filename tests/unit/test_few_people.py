"""Comparisons over few people: the exact permutation test and its power."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from benchmarks.language.few_shot import _share
from numpy.typing import NDArray

from edgewright.core.records.device import DecisionSpec
from edgewright.training.metrics import Difference, power, probabilities, smallest_p
from edgewright.workflows.tuning.selection import Cost, GridScore, Tally, paired


def difference(gains: NDArray[np.float64]) -> Difference:
    return lambda swapped: float(np.where(swapped, -gains, gains).sum())


def test_the_probability_is_that_of_all_exchanges_of_whole_people() -> None:
    gains = np.array([0.2, 0.05, 0.25, -0.02, 0.1])
    sums = [abs(float((np.array(signs) * gains).sum())) for signs in itertools.product((1, -1), repeat=5)]
    expected = np.mean([total >= abs(gains.sum()) - 1e-9 for total in sums])
    assert probabilities({"one": difference(gains)}, 5)["one"] == pytest.approx(expected)
    assert probabilities({"one": difference(np.full(5, 0.1))}, 5)["one"] == pytest.approx(smallest_p(5))


def test_how_little_can_be_shown_is_said() -> None:
    assert power(4, "group") == "with 4 groups no difference can be significant at 5 %: the smallest p is 0.125"
    assert "smallest p is 0.0078" in power(8, "group")
    assert "all 8 groups agree" in power(8, "group")
    assert "at least 9 of 10 days agree" in power(10, "day")


@pytest.mark.slow
def test_equal_models_differ_significantly_no_more_often_than_stated() -> None:
    rng, shown = np.random.default_rng(3), 0
    for _ in range(100):
        scores = rng.normal(0.7, 0.15, (4, 6))
        p_values = probabilities({str(k): difference(scores[k] - scores[0]) for k in (1, 2, 3)}, 6)
        shown += min(p_values.values()) <= 0.05
    # Of 100 draws at 5 %, 12 or more have a probability of less than 1 in 200.
    assert shown < 12


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
