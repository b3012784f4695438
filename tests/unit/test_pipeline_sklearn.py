"""A pipeline is a scikit-learn pipeline: its tools take it, and frames come in as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline as SklearnPipeline

import edgewright
from edgewright import Pipeline
from edgewright.core.errors import ColumnMissingError, InputError, RunError
from edgewright.models.linear import Linear
from edgewright.preprocessing.scale import Scale
from small_pipeline import run_small

Table = tuple[NDArray[np.float32], NDArray[np.str_]]


@pytest.fixture
def table() -> Table:
    X = np.random.default_rng(0).normal(size=(120, 2)).astype(np.float32)
    return X, np.where(X.sum(axis=1) > 0, "on", "off")


def test_from_toml_gives_unfitted_stages_for_the_data(small: Path) -> None:
    pipeline = Pipeline.from_toml(small, changes=("training.epochs=3",))
    assert isinstance(pipeline, SklearnPipeline)
    assert [name for name, _ in pipeline.steps] == ["impute", "scale", "model"]
    assert pipeline.config is not None
    assert pipeline.config.training.epochs == pipeline.named_steps["model"].epochs == 3
    assert not hasattr(pipeline.named_steps["model"], "parameters_")


def test_clone_and_set_params_reach_every_stage(small: Path, table: Table) -> None:
    X, y = table
    pipeline = Pipeline.from_toml(small)
    other = clone(pipeline).set_params(model__learning_rate=0.05, scale__method="minmax")
    assert other is not pipeline
    assert pipeline.get_params()["model__learning_rate"] == 0.001
    assert other.get_params()["model__learning_rate"] == 0.05
    assert other.fit(X, y).named_steps["scale"].method == "minmax"
    assert set(other.predict(X)) <= {"off", "on"}


@pytest.mark.slow
def test_grid_search_over_the_learning_rate(small: Path, table: Table) -> None:
    X, y = table
    pipeline = Pipeline.from_toml(small, changes=("training.epochs=10",))
    search = GridSearchCV(pipeline, {"model__learning_rate": [1e-5, 0.05]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_ == {"model__learning_rate": 0.05}
    assert search.best_score_ > 0.8
    assert isinstance(search.best_estimator_, Pipeline)
    assert search.best_estimator_.to_onnx((2,))


def test_cross_validation_takes_it(small: Path, table: Table) -> None:
    pipeline = Pipeline.from_toml(small, changes=("training.epochs=10", "training.learning_rate=0.05"))
    assert cross_val_score(pipeline, *table, cv=2, error_score="raise").mean() > 0.8


@pytest.mark.slow
def test_frames_are_answered_like_arrays(small: Path, tmp_path: Path, table: Table) -> None:
    X, _ = table
    folder = run_small(small, tmp_path / "runs").folder
    pipeline, predictor = Pipeline.load(folder), edgewright.load(folder, form="float")
    wanted = pipeline.predict(X)
    for frame in (pl.DataFrame({"a": X[:, 0], "b": X[:, 1]}), pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})):
        np.testing.assert_array_equal(pipeline.predict(frame), wanted)
        answers = predictor.predict(frame)
        np.testing.assert_array_equal(answers.labels, wanted)
        np.testing.assert_allclose(answers.probabilities, pipeline.predict_proba(X), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_package_takes_a_frames_columns_by_name(small: Path, tmp_path: Path, table: Table) -> None:
    X, _ = table
    predictor = edgewright.load(run_small(small, tmp_path / "runs").folder)
    wanted = predictor.predict(X).probabilities
    for library in (pl, pd):
        turned = library.DataFrame({"z": X[:, 0], "b": X[:, 1], "a": X[:, 0]})
        np.testing.assert_array_equal(predictor.predict(turned).probabilities, wanted)
        with pytest.raises(InputError, match="Add b"):
            predictor.predict(library.DataFrame({"a": X[:, 0]}))


@pytest.mark.slow
def test_a_missing_value_of_a_frame_is_a_missing_value(small: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.load(run_small(small, tmp_path / "runs").folder)
    wanted = pipeline.predict_proba(np.array([[0.5, np.nan]], np.float32))
    for frame in (pl.DataFrame({"a": [0.5], "b": [None]}, schema={"a": pl.Float64, "b": pl.Float64}),
                  pd.DataFrame({"a": [0.5], "b": [None]}, dtype=np.float64)):  # fmt: skip
        np.testing.assert_allclose(pipeline.predict_proba(frame), wanted, rtol=1e-6)
        answers = edgewright.load(tmp_path / "runs" / "small", form="float").predict(frame)
        np.testing.assert_allclose(answers.probabilities, wanted, rtol=1e-5)


@pytest.mark.parametrize("loaded", [True, False])
def test_columns_of_a_frame_are_taken_by_name(small: Path, tmp_path: Path, table: Table, loaded: bool) -> None:
    X, y = table
    frame = pd.DataFrame(X, columns=["a", "b"])
    if loaded:
        pipeline = Pipeline.load(run_small(small, tmp_path / "runs").folder)
    else:
        pipeline = Pipeline.from_toml(small, changes=("training.epochs=3",)).fit(frame, y)
    assert list(pipeline.feature_names_in_) == ["a", "b"]
    X = X * np.array([1.0, 3.0], np.float32)
    expected = pipeline.predict_proba(X)
    turned = pd.DataFrame({"b": X[:, 1], "more": 0.0, "a": X[:, 0]})
    np.testing.assert_array_equal(pipeline.predict_proba(turned), expected)
    np.testing.assert_array_equal(pipeline.predict_proba(pl.from_pandas(turned)), expected)
    with pytest.raises(ColumnMissingError):
        pipeline.predict(turned[["b", "more"]])


def test_a_pipeline_fitted_on_arrays_has_no_names(small: Path, table: Table) -> None:
    X, y = table
    pipeline = Pipeline.from_toml(small, changes=("training.epochs=1",)).fit(pd.DataFrame(X, columns=["a", "b"]), y)
    assert not hasattr(pipeline.fit(X, y), "feature_names_in_")


def test_a_pipeline_of_steps_exports_proves_and_estimates_itself(table: Table, tmp_path: Path) -> None:
    X, y = table
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    pipeline = Pipeline([("scale", Scale()), ("model", Linear())])
    with pytest.raises(RunError, match="expected a fitted pipeline"):
        pipeline.export(tmp_path)
    pipeline.fit(frame, y)
    record = pipeline.prove(frame[["b", "a"]], rows=50)  # columns are taken by name
    names = [form.name for form in record.forms]
    assert record.passed and names[0] == "Python pipeline" and "float ONNX in NumPy" in names
    files = pipeline.export(tmp_path, name="motor")
    assert {path.name for path in files} >= {"motor.c", "motor.h"}
    assert [path.name for path in pipeline.export(tmp_path, "onnx")] == ["pipeline.onnx"]
    estimate = pipeline.estimate("cortex-m4")
    assert estimate.footprint.flash is not None and estimate.footprint.flash.value > 0
    with pytest.raises(ColumnMissingError):
        pipeline.prove(frame[["a"]])


def test_a_proof_finds_a_pipeline_that_answers_otherwise_than_its_graph(table: Table) -> None:
    X, y = table

    class Shifted(Scale):
        def transform(self, X: object) -> NDArray[np.float32]:
            return super().transform(X) + np.float32(1.0)

    pipeline = Pipeline([("scale", Shifted()), ("model", Linear())]).fit(X, y)
    assert not pipeline.prove(X).passed
