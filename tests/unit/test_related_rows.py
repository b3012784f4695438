"""Related rows are refused in folds of single rows; independent rows seldom are."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.pipeline.evaluation.leakage_inflation import Inflation, QuickAnswers, inflation, inflation_of
from edgewright.schema.data import Column, Samples
from edgewright.search.ladder.setup import _in_order


def _answers(rng: np.random.Generator, lost: float) -> QuickAnswers:
    """Answers of two cross-validations to 300 rows in ten blocks; whole blocks lose so much accuracy on average."""
    n = 300
    right = rng.random(n) < 0.75
    loose = right ^ (rng.random(n) < 0.05)
    kept = (right ^ (rng.random(n) < 0.05)) & (rng.random(n) >= lost)
    y, units = np.ones(n, np.int64), np.arange(n) // 30
    return QuickAnswers(y, units, "time", loose.astype(int), kept.astype(int), features=3, classify=True)


def test_independent_rows_are_called_related_one_time_in_a_hundred_at_most() -> None:
    rng = np.random.default_rng(0)
    inflations = [inflation_of(_answers(rng, 0.0)) for _ in range(1000)]
    # At half a percent, more than 13 of 1,000 have a chance of 1 in 1,000.
    assert sum(one.sure for one in inflations) <= 13
    # What was shown and refused before, the interval of 95 %, excludes zero more often.
    assert sum(one.difference.low > 0 for one in inflations) > 13


def test_related_rows_are_called_so() -> None:
    rng = np.random.default_rng(0)
    assert sum(inflation_of(_answers(rng, 0.2)).sure for _ in range(100)) >= 90


def _measured(X: NDArray[np.float64], y: NDArray[np.str_]) -> Inflation:
    columns = tuple(Column(name=f"c{number}") for number in range(X.shape[1]))
    rows = Samples(
        X=X.astype(np.float32), y=y, groups=None, sessions=np.full(len(y), "file"), starts=np.arange(len(y)),
        columns=columns,
    )  # fmt: skip
    inflated = inflation(_in_order(rows), "classification", 0)
    assert inflated is not None
    return inflated


@pytest.mark.slow
def test_by_a_model_on_rows_of_a_file() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3))
    independent = _measured(X, np.where(X[:, 0] + rng.normal(size=200) > 0, "a", "b"))
    assert not independent.sure
    # Twenty stretches with a level of their own, which the label belongs to.
    level = np.repeat(rng.normal(0, 3, (20, 3)), 15, axis=0)
    related = _measured(level + rng.normal(0, 0.2, (300, 3)), np.repeat(rng.choice(["a", "b"], 20), 15))
    assert related.sure
    assert related.difference.value > 0.1
