"""Metrics against scikit-learn and against figures computed by hand; losses; the temperature."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from edgewright.training import losses, metrics
from edgewright.training.losses import temperature


@pytest.mark.slow
@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_scores_equal_scikit_learn(classes: int, samples: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, answer = rng.integers(0, classes, samples), rng.integers(0, classes, samples)
    matrix = metrics.confusion(truth, answer, classes)
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(truth, answer, labels=range(classes)))
    assert metrics.accuracy(truth, answer) == pytest.approx(oracle.accuracy_score(truth, answer))
    assert metrics.macro_f1(truth, answer, classes) == pytest.approx(
        oracle.f1_score(truth, answer, average="macro", zero_division=0)
    )


def test_wilson_interval_of_a_known_case() -> None:
    interval = metrics.wilson(8, 10)
    assert (interval.value, interval.method) == (0.8, "wilson")
    # Newcombe, 1998, gives 0.4902 to 0.9433 for 8 of 10.
    assert interval.low == pytest.approx(0.4902, abs=5e-4) and interval.high == pytest.approx(0.9433, abs=5e-4)
    assert metrics.wilson(0, 0).high == 1.0


def test_the_interval_by_group_is_wider_when_groups_differ() -> None:
    groups = np.repeat(np.arange(12), 100)
    truth = np.zeros(1200, np.int64)
    answer = (groups % 4 == 3).astype(np.int64)
    by_group = metrics.accuracy_interval(truth, answer, groups)
    alone = metrics.accuracy_interval(truth, answer, None)
    assert by_group.method == "bootstrap by group" and alone.method == "wilson"
    assert by_group.value == alone.value == 0.75
    assert by_group.high - by_group.low > 3 * (alone.high - alone.low)
    assert metrics.accuracy_interval(truth, answer, groups) == by_group


def test_with_few_groups_the_interval_holds_as_often_as_it_says() -> None:
    """Groups drawn anew held too seldom with four groups; the jackknife with Student's t holds 95 of 100 times."""
    rng, held, groups = np.random.default_rng(4), 0, np.repeat(np.arange(4), 200)
    for _ in range(300):
        share = np.clip(rng.normal(0.8, 0.06, 4), 0, 1)
        answer = (rng.random(800) >= share[groups]).astype(np.int64)
        found = metrics.accuracy_interval(np.zeros(800, np.int64), answer, groups)
        held += found.low <= 0.8 <= found.high
        assert found.low >= 0 and found.high <= 1
    assert found.method == "jackknife by group, t with 3 degrees of freedom, 95 %"
    assert 275 <= held <= 297


def test_bootstrap_draws_whole_groups() -> None:
    groups = np.append(np.array([3, 1, 1, 2, 2, 2]), np.arange(4, 14))
    sizes: list[int] = []

    def watch(indices: object) -> float:
        chosen = np.asarray(indices)
        sizes.append(len(chosen))
        counts = np.bincount(groups[chosen], minlength=14)
        assert counts[1] % 2 == 0 and counts[2] % 3 == 0
        return float(len(chosen))

    metrics.group_interval(groups, watch, repeats=50)
    assert len(set(sizes)) > 2


def test_calibration_error_of_an_honest_and_a_boastful_answer() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    honest = rng.random(20_000) < confidence
    assert metrics.calibration_error(confidence, honest) < 0.02
    assert metrics.calibration_error(np.full(100, 0.95), np.arange(100) < 50) == pytest.approx(0.45)


def test_ties_of_the_largest_probability() -> None:
    assert metrics.ties(np.array([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2], [0.1, 0.45, 0.45]])) == 2


def test_regression_figures() -> None:
    truth, answer = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0])
    assert metrics.regression(truth, answer) == pytest.approx({"mae": 2 / 3, "rmse": np.sqrt(4 / 3), "r2": -1.0})


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_loss_is_the_same_in_numpy_and_jax(name: str) -> None:
    rng = np.random.default_rng(2)
    logits = 3 if "softmax" in name else 1
    outputs = rng.standard_normal((20, logits)).astype(np.float32) * 10
    targets = rng.integers(0, 2, 20).astype(np.float32)
    if name == "map_of_objects":
        outputs = rng.standard_normal((20, 3, 4, 2)).astype(np.float32) * 10
        cells = rng.integers(0, 3, (20, 1, 4, 2)), rng.uniform(0.1, 2, (20, 1, 4, 2))
        targets = np.concatenate(cells, axis=1).astype(np.float32)
    if name.startswith("distilled"):
        # Label, temperature, share of the teacher, and what the teacher says.
        teacher = rng.random((20, logits)).astype(np.float32)
        if logits > 1:
            teacher /= teacher.sum(axis=1, keepdims=True)
        others = np.column_stack([rng.uniform(1, 4, 20), rng.random(20)]).astype(np.float32)
        targets = np.column_stack([targets, others, teacher]).astype(np.float32)
    here, right = losses.LOSSES[name](np, outputs, targets, np.float32(0.1))
    there, also = losses.LOSSES[name](jnp, outputs, targets, np.float32(0.1))
    np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(right, also)
    # A logarithm of an error goes down to that of its floor, every other loss to nothing.
    assert (here >= (-40.0 if name == "signal_to_distortion" else 0.0) - 1e-5).all()


def test_cross_entropies_equal_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    logits, targets = rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, _ = losses.softmax_cross_entropy(np, logits, targets, 0.0)
    assert loss.mean() == pytest.approx(oracle.log_loss(targets, shares, labels=range(4)))
    one, true = logits[:, :1], targets % 2
    loss, _ = losses.sigmoid_cross_entropy(np, one, true, 0.0)
    assert loss.mean() == pytest.approx(oracle.log_loss(true, 1 / (1 + np.exp(-one[:, 0]))))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_of_scaled_logits_is_found(factor: float) -> None:
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((20_000, 3)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (rng.random((20_000, 1)) > np.cumsum(shares, axis=1)).sum(axis=1).clip(0, 2)
    found = temperature(logits * factor, targets, losses.softmax_cross_entropy)
    assert found == pytest.approx(factor, rel=0.05)
    assert temperature(logits[:0], targets[:0], losses.softmax_cross_entropy) == 1.0
