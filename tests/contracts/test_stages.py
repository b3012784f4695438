"""Every stage of `preprocessing` and `features`, found by file name, keeps the same promises."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle  # noqa: TID251 - as between processes of a cluster
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.base import clone

from edgewright.core.catalogue import find
from edgewright.core.errors import InputError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.stage import Stage, StageConfig
from edgewright.pipeline.step_tables import stage_table
from stage_examples import CASES, KINDS, Floats, arriving, built, examples, graph_bytes, run_graph, targets
from support import check_settings


def share_of_tolerance(python: Floats, graph: Floats) -> float:
    """Largest difference in units of what is allowed: relative 1e-5 plus 1e-5 of the spread over the samples."""
    expected = python.astype(np.float64)
    missing = np.isnan(expected)
    assert (missing == np.isnan(graph)).all()
    whole = np.where(missing, 0.0, expected)
    counts = np.maximum(1, (~missing).sum(axis=0))
    average = whole.sum(axis=0) / counts
    spread = np.sqrt((np.where(missing, 0.0, whole - average) ** 2).sum(axis=0) / counts)
    allowed = 1e-5 * np.abs(whole) + 1e-5 * spread + np.finfo(np.float32).tiny
    return float((np.abs(np.where(missing, 0.0, graph - whole)) / allowed).max())


def stored(value: Any) -> Any:  # noqa: ANN401 - what a state may hold
    """Return a state as it comes back from JSON and .npy files."""
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return np.load(io.BytesIO(file.getvalue()), allow_pickle=False)
    if isinstance(value, dict):
        return {str(key): stored(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [stored(part) for part in value]
    return json.loads(json.dumps(value))


@cache
def fitted(room: str, kind: str, number: int) -> tuple[Stage[Any], Any, Floats, Floats]:
    """Return a stage, its estimator fitted by an example, the samples of that, and what the estimator makes of them."""
    stage, estimator, X = built(room, kind, number)
    return stage, estimator, X, estimator.fit(X, targets(X)).transform(X)


def test_every_stage_has_an_example() -> None:
    assert {kind for _, kind, _ in CASES} == {kind for _, kind in KINDS}


def test_kinds_are_unique_over_the_rooms() -> None:
    kinds = [kind for _, kind in KINDS]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize(("room", "kind"), KINDS)
def test_configuration_is_frozen_strict_and_documented(room: str, kind: str) -> None:
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    config = stage.config
    assert issubclass(config, StageConfig)
    check_settings(config)
    assert stage.formula
    assert "shape_" in stage.state
    assert dataclasses.is_dataclass(stage)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_fit_transform_names_and_why(room: str, kind: str, number: int) -> None:
    stage, estimator, X, result = fitted(room, kind, number)
    assert result.dtype == np.float32
    assert len(result) == len(X)
    assert result.ndim in (2, 3, 4)
    names = list(estimator.get_feature_names_out())
    assert len(names) == result.shape[1] == len(set(names))
    assert all(isinstance(name, str) and name for name in names)
    assert not np.isinf(result).any()
    why = stage.why(estimator)
    assert why.endswith(".")
    assert any(letter.isdigit() for letter in why)
    assert "\n" not in why
    assert len(estimator.transform(X[:0])) == 0
    np.testing.assert_allclose(estimator.transform(X[3:5]), result[3:5], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_clone_is_unfitted_and_learns_the_same(room: str, kind: str, number: int) -> None:
    _, estimator, X, expected = fitted(room, kind, number)
    again = clone(estimator)
    assert not hasattr(again, "shape_")
    np.testing.assert_array_equal(again.fit_transform(X, targets(X)), expected)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_onnx_runtime_equals_python(room: str, kind: str, number: int) -> None:
    _, estimator, X, result = fitted(room, kind, number)
    graph = run_graph(estimator, X)
    assert graph.dtype == np.float32
    assert graph.shape == result.shape
    assert share_of_tolerance(result, graph) <= 1.0


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_the_numpy_engine_of_a_device_runs_the_same_graph(room: str, kind: str, number: int) -> None:
    _, estimator, X, result = fitted(room, kind, number)
    run = compile_graph(read_onnx(graph_bytes(estimator, X)))
    assert share_of_tolerance(result, run(X)["output"]) <= 1.0
    assert run(X[:1])["output"].shape == (1, *result.shape[1:])


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_fitted_stage_travels_to_a_worker(room: str, kind: str, number: int) -> None:
    _, estimator, X, result = fitted(room, kind, number)
    there = pickle.loads(pickle.dumps(estimator))  # noqa: S301 - written in the same line
    np.testing.assert_array_equal(there.transform(X), result)


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_state_restores_the_same_stage(room: str, kind: str, number: int) -> None:
    stage, estimator, X, result = fitted(room, kind, number)
    state = {name: stored(getattr(estimator, name)) for name in stage.state}
    _, restored, _ = built(room, kind, number)
    for name, value in state.items():
        setattr(restored, name, value)
    np.testing.assert_array_equal(restored.transform(X), result)
    assert graph_bytes(restored, X) == graph_bytes(estimator, X)
    assert list(restored.get_feature_names_out()) == list(estimator.get_feature_names_out())
    assert stage.why(restored) == stage.why(estimator)


# Examples that no table can be read back from: derived channels have lost their steps, mounted axes their maps.
_NOT_READ_BACK = {("channels", 0): "Channels", ("channels", 1): "Channels", ("units", 2): "order = "}


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_step_gives_the_table_that_builds_it_or_is_refused(room: str, kind: str, number: int) -> None:
    stage, estimator, _ = built(room, kind, number)
    _, context = arriving(examples(room, kind)[number][0])
    if lost := _NOT_READ_BACK.get((kind, number)):
        with pytest.raises(InputError, match=f"got {lost}.* - at Pipeline.run, step 'mine'") as caught:
            stage_table("mine", estimator, context)
        assert str(caught.value).endswith("or write the stages in a TOML file for Pipeline.from_toml")
        assert "\n" not in str(caught.value)
        return
    table = stage_table("mine", clone(estimator), context)
    assert table.pop("kind") == kind
    again = stage.build(msgspec.convert(table, stage.config), context)
    assert repr(again.get_params()) == repr(estimator.get_params())


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_impossible_input_is_refused_in_one_line(room: str, kind: str, number: int) -> None:
    _, estimator, X, _ = fitted(room, kind, number)
    y = targets(X)
    infinite = X.copy()
    infinite.reshape(-1)[5] = np.inf
    for bad in (X[:, 0] if X.ndim == 2 else X[:, 0, 0], X[:0], [["a"]], *([] if estimator.missing else [infinite])):
        with pytest.raises(InputError, match=f"stage {kind}") as caught:
            clone(estimator).fit(bad, y)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="shape"):
        estimator.transform(np.concatenate([X, X], axis=1))
    if not estimator.missing:
        holes = X.copy()
        holes[2, 0] = np.nan
        with pytest.raises(InputError, match="missing"):
            clone(estimator).fit(holes, y)


@pytest.mark.parametrize(("room", "kind"), KINDS)
def test_a_shape_no_stage_can_take_is_refused_when_built(room: str, kind: str) -> None:
    stage: Stage[Any] = find(room, kind, "STAGE", "stage")
    for words, table in examples(room, kind):
        context = dataclasses.replace(arriving(words)[1], shape=(3, 4, 5, 6))
        with pytest.raises(InputError, match=kind):
            stage.build(msgspec.convert(table, stage.config), context)
