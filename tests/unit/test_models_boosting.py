"""Boosted trees as tables: the probabilities of scikit-learn, and the same answers in the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from edgewright import Pipeline
from edgewright.core.errors import InputError, TreesError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.boosting import Boosting
from edgewright.pipeline.config import parse
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.plan import build_model

X = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
AMOUNT = X[:, 0] * X[:, 1] + 0.3 * X[:, 2]
COLUMNS = tuple(Column(name=f"x{n}") for n in range(4))
SETTINGS: dict[str, Any] = {"l2_regularization": 0.1, "early_stopping": False, "random_state": 0}


@pytest.mark.parametrize("limits", [(0.0,), (-0.5, 0.5)])
def test_probabilities_are_those_of_scikit_learn(limits: tuple[float, ...]) -> None:
    y = np.digitize(AMOUNT, limits).astype(str)
    model = Boosting(rounds=12, leaves=6).fit(X, y)
    peer = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=6, min_samples_leaf=20, **SETTINGS)
    # Answers of the leaves are whole numbers of two bytes.
    np.testing.assert_allclose(model.predict_proba(X), peer.fit(X, y).predict_proba(X), atol=1e-4)
    assert (model.predict(X) == peer.predict(X)).all()
    graph = read_onnx(to_onnx(graph_of([("model", model)], (4,), "boosted", COLUMNS)))
    answers = compile_graph(graph, ["probabilities"])(X)["probabilities"]
    np.testing.assert_allclose(answers, model.predict_proba(X), atol=1e-6)


def test_a_class_of_few_samples_leaves_the_others_their_answers() -> None:
    """Without a penalty a leaf reaches 14,684, and two bytes round the others to nothing: .52 of answers are right."""
    rows = np.random.default_rng(0).normal(size=(15_000, 4)).astype(np.float32)
    y = np.where(rows[:, 0] * rows[:, 1] > 0, "above", "below").astype("U5")
    y[:8] = "rare"
    rows[:8] += np.float32(3)
    (train, test), (labels, truth) = np.split(rows, [12_000]), np.split(y, [12_000])
    model = Boosting().fit(train, labels)
    peer = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=16, **SETTINGS).fit(train, labels)
    np.testing.assert_allclose(model.predict_proba(test), peer.predict_proba(test), atol=1e-3)
    assert (model.predict(test) == truth).mean() > 0.99


@pytest.mark.slow
def test_amounts_are_those_of_scikit_learn() -> None:
    model = Boosting("regression").fit(X, AMOUNT)
    peer = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=16, **SETTINGS)
    np.testing.assert_allclose(model.predict(X), peer.fit(X, AMOUNT).predict(X), atol=1e-4)
    graph = read_onnx(to_onnx(graph_of([("model", model)], (4,), "boosted", COLUMNS)))
    np.testing.assert_allclose(compile_graph(graph, ["prediction"])(X)["prediction"], model.predict(X), atol=1e-5)


def test_thresholds_fall_between_the_same_float32_values() -> None:
    """A table of neighbours in float32: every one of them is on the side that scikit-learn puts it."""
    values = np.float32(101_325) + np.arange(200, dtype=np.float32) * np.spacing(np.float32(101_325))
    y = np.where((np.arange(200) // 25) % 2, "on", "off")
    model = Boosting().fit(values[:, None], y)
    peer = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=16, **SETTINGS)
    assert (model.predict(values[:, None]) == peer.fit(values[:, None], y).predict(values[:, None])).all()


def test_a_model_fitted_elsewhere_becomes_a_pipeline() -> None:
    y = np.where(AMOUNT > 0, "on", "off")
    peer = HistGradientBoostingClassifier(max_iter=9, random_state=0).fit(X, y)
    pipeline = Pipeline([("model", Boosting.from_fitted(peer))])
    np.testing.assert_allclose(pipeline.predict_proba(X), peer.predict_proba(X), atol=1e-6)
    answers = compile_graph(read_onnx(pipeline.to_onnx((4,))))(X)
    assert [("off", "on")[n] for n in answers["label"]] == peer.predict(X).tolist()


def test_a_model_without_trees_of_numbers_is_refused() -> None:
    with pytest.raises(TreesError, match="expected a fitted HistGradientBoosting model"):
        Boosting.from_fitted(HistGradientBoostingClassifier())
    kinds = np.round(np.abs(X))
    peer = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0, 1]).fit(kinds, AMOUNT > 0)
    with pytest.raises(TreesError, match="splits on categories"):
        Boosting.from_fitted(peer)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("kind = 'linear'\nrounds = 5", "the key rounds with kind = 'boosting', got kind = 'linear'"),
        ("kind = 'boosting'\nrounds = 100000000", "1000"),
    ],
)
def test_keys_of_another_model_are_refused(table: str, message: str) -> None:
    text = f'name = "m"\n[data]\nkind = "csv"\n[model]\n{table}\n'
    with pytest.raises(InputError, match=message):
        build_model(parse(text, "m.toml"), "classification")
