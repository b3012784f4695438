"""The kernel machine: as good as a support vector machine, from few centres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, make_friedman1
from sklearn.linear_model import Ridge
from sklearn.svm import SVC, SVR

from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.export.write import program_of
from edgewright.models import _plain, kernel_machine
from edgewright.models.kernel_machine import KernelMachine, draw_rows, leave_one_out_errors, nearness
from edgewright.pipeline.fitting import graph_of
from edgewright.training.rows import ArrayRows

Floats = NDArray[np.float32]


def scaled(X: NDArray[Any]) -> Floats:
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0), np.float32)


def graph_with(model: KernelMachine) -> Graph:
    columns = tuple(Column(name=f"x{n}") for n in range(model.n_features_in_))
    return graph_of([("model", model)], (len(columns),), "kernels", columns)


@pytest.mark.slow
def test_few_centres_are_nearly_as_good_as_a_support_vector_machine() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = scaled(X)
    order = np.random.default_rng(0).permutation(len(X))
    train, test = order[:400], order[400:]
    model = KernelMachine(size_bytes=16_000).fit(X[train], y[train])
    peer = SVC(C=10).fit(X[train], y[train])
    assert (model.predict(X[test]) == y[test]).mean() > (peer.predict(X[test]) == y[test]).mean() - 0.013
    A, amount = make_friedman1(1400, 10, noise=1.0, random_state=0)
    A = scaled(A)
    regressor = KernelMachine("regression").fit(A[:600], amount[:600])
    tuned = [SVR(C=c, gamma=g).fit(A[:600], amount[:600]) for c in (1, 10, 100) for g in (0.03, 0.1)]
    # The peers keep all samples and are tuned on those that judge.
    wrong = [np.square(m.predict(A[600:]) - amount[600:]).mean() for m in (regressor, *tuned)]
    assert wrong[0] < 1.3 * min(wrong[1:])


@pytest.mark.parametrize("size_bytes", [1_000, 4_000, 64_000])
def test_the_tables_in_c_take_the_size_that_is_asked_for(size_bytes: int) -> None:
    X, y = make_friedman1(400, 10, noise=1.0, random_state=1)
    model = KernelMachine("regression", size_bytes=size_bytes).fit(scaled(X), y)
    constants = program_of(graph_with(model)).constants
    # One row of a table more, and the bias.
    assert constants <= size_bytes + 100
    assert constants > 0.9 * size_bytes or len(model.centres_) == 300


def test_a_ring_around_a_disc_takes_a_curved_border() -> None:
    rng = np.random.default_rng(2)
    X = rng.uniform(-2, 2, (500, 2)).astype(np.float32)
    y = np.where((X**2).sum(axis=1) < 1.5, "inside", "outside")
    model = KernelMachine(size_bytes=1_500).fit(X[:300], y[:300])
    assert (model.predict(X[300:]) == y[300:]).mean() > 0.95
    # Far away no bell says anything: the answer is the bias.
    far = model.predict_proba(np.array([[40.0, 40.0], [-90.0, 3.0]], np.float32))
    np.testing.assert_array_equal(far[0], far[1])


@pytest.mark.parametrize("level", [0.0, 30.0])
def test_the_graph_keeps_the_digits_of_distances(level: float) -> None:
    """A distance is the difference of two squares; columns that are not scaled cost digits, not answers."""
    rng = np.random.default_rng(3)
    X = (rng.normal(size=(300, 6)) + level).astype(np.float32)
    y = np.sin(X[:, 0]) + X[:, 1] * 0.3
    model = KernelMachine("regression", size_bytes=4_000).fit(X, y)
    prediction = compile_graph(graph_with(model))(X)["prediction"]
    np.testing.assert_allclose(prediction, model.predict(X), atol=1e-4 if level == 0.0 else 0.05)


def test_rare_classes_keep_centres_and_rows_stay_in_order() -> None:
    target = np.repeat([0, 1, 2], [9_000, 900, 30])
    rows = draw_rows(target, 3, 300, 0)
    assert (np.diff(rows) > 0).all()
    assert len(rows) <= 300
    assert np.bincount(target[rows]).min() >= 9
    assert draw_rows(target, 3, 10_000, 0).tolist() == list(range(len(target)))
    points = np.random.default_rng(4).normal(size=(5, 3))
    distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose((points**2).sum(axis=1)[:, None] - nearness(points, points), distances, atol=1e-12)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_samples_that_are_all_alike_are_fitted(task: str) -> None:
    y = ["a", "b"] * 5 if task == "classification" else [1.0, 3.0] * 5
    model = KernelMachine(task).fit(np.ones((10, 2), np.float32), y)
    answers = model.predict_proba(np.ones((1, 2))) if task == "classification" else model.predict(np.ones((1, 2)))
    np.testing.assert_allclose(np.ravel(answers), [0.5, 0.5] if task == "classification" else [2.0], atol=0.01)


def test_of_more_samples_than_memory_holds_some_of_every_class_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 2)).astype(np.float32)
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    y[:3] = "rare"
    every = KernelMachine(size_bytes=2_000).fit(X, y)
    monkeypatch.setattr(kernel_machine, "_MOST_BYTES", 8 * len(every.centres_) * 1_000)
    some = KernelMachine(size_bytes=2_000).fit(X, y)
    assert every.fit_rows_ == every.training_.samples == 4_000
    assert 1_000 <= some.fit_rows_ == some.training_.samples <= 1_001
    assert list(some.classes_) == ["other", "rare", "same"]
    assert np.mean(some.predict(X) == y) > np.mean(every.predict(X) == y) - 0.02


def test_rows_that_are_made_on_demand_give_the_same_model_and_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plain, "_ANSWERED", 1_000)
    rng = np.random.default_rng(0)
    X, sizes = rng.normal(size=(6_000, 4)).astype(np.float32), []
    y = np.where(X[:, 0] * X[:, 1] > 0, "yes", "no")

    class Pieces(ArrayRows):
        def take(self, indices: NDArray[np.int64]) -> Floats:
            sizes.append(len(indices))
            return super().take(indices)

    for most_bytes in (2**28, 8 * 300 * 1_500):  # all rows are fitted on, then some that are drawn
        monkeypatch.setattr(kernel_machine, "_MOST_BYTES", most_bytes)
        whole, pieces = (KernelMachine().fit(rows, y) for rows in (X, Pieces(X)))
        assert pieces.fit_rows_ == whole.fit_rows_
        assert (pieces.fit_rows_ < 2_000) == (most_bytes < 2**28)
        for name in ("centres_", "weights_", "bias_", "gamma_"):
            np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    assert max(sizes) == 1_000
    X[5_500, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        KernelMachine().fit(Pieces(X), y)


def test_errors_of_samples_left_out_are_those_of_fits_on_the_others() -> None:
    rng = np.random.default_rng(0)
    features, penalties = rng.normal(size=(12, 4)) + 3.0, np.array([0.01, 1.0, 100.0])
    goal = features[:, :2] + rng.normal(size=(12, 2))
    goal -= goal.mean(axis=0)
    expected = []
    for penalty in penalties:
        missed = []
        for n in range(12):
            others = np.arange(12) != n
            model = Ridge(penalty).fit(features[others], goal[others])
            missed.append(goal[n] - model.predict(features[n : n + 1])[0])
        expected.append(np.mean(np.square(missed)))
    np.testing.assert_allclose(leave_one_out_errors(features, goal, penalties), expected, rtol=1e-9)
    alike = leave_one_out_errors(np.ones((12, 4)), goal, penalties)
    np.testing.assert_allclose(alike, np.mean((goal * 12 / 11) ** 2))
