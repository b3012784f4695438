"""The whole pipeline as ONNX: ONNX Runtime answers as Python does, on every test row, to the last digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright import Pipeline
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.records.network import Value
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of

if TYPE_CHECKING:
    from conftest import Lesson

SLOW = ("latency", "scalability", "demo")
NAMES = ["activity", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def session(model: bytes) -> Any:  # noqa: ANN401 - of ONNX Runtime
    return open_session(model)


def with_boundary(model: bytes, shape: tuple[int, ...]) -> bytes:
    """Return the model with the value at which preprocessing ends as one more output."""
    graph = read_onnx(model)
    extra = Value(name=graph.boundary, dtype="float32", shape=shape)
    return to_onnx(msgspec.structs.replace(graph, outputs=(*graph.outputs, extra)))


def held_out(pipeline: Pipeline) -> tuple[NDArray[np.float32], NDArray[Any]]:
    config = pipeline.config
    assert config is not None
    material = prepare(data_plan(config), None)
    test = material.sides.test
    return np.ascontiguousarray(material.samples.X[test], np.float32), material.samples.y[test]


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_equals_python_at_the_boundary_and_in_every_probability(
    name: str, lesson: Callable[[str], Lesson]
) -> None:
    folder = lesson(name).folder
    pipeline = Pipeline.load(folder)
    X, _ = held_out(pipeline)
    model = (folder / "model.onnx").read_bytes()
    features = np.asarray(pipeline[:-1].transform(X), np.float32)
    ask = session(with_boundary(model, features.shape[1:]))
    outputs = [value.name for value in ask.get_outputs()]
    values = dict(zip(outputs, ask.run(None, {ask.get_inputs()[0].name: X}), strict=True))
    spread = np.ptp(features, axis=0)
    off = np.abs(values[read_onnx(model).boundary] - features) - 1e-5 * np.abs(features) - 1e-5 * spread
    assert off.max() <= 0
    probabilities = pipeline.predict_proba(X)
    np.testing.assert_allclose(values["probabilities"], probabilities, rtol=1e-5, atol=1e-5)
    ties = np.sum(probabilities == probabilities.max(axis=1, keepdims=True), axis=1) > 1
    labels = pipeline.classes_[values["label"].ravel()]
    close = np.abs(np.diff(np.sort(probabilities, axis=1)[:, -2:], axis=1)).ravel() < 1e-5
    same = labels == pipeline.predict(X)
    assert same[~(ties | close)].all()
    np.testing.assert_allclose(values["confidence"].ravel(), probabilities.max(axis=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_last_card_counts_the_rows_on_which_onnx_and_python_agree(
    name: str, lesson: Callable[[str], Lesson]
) -> None:
    trace = lesson(name).trace
    assert trace.compression is not None
    assert trace.evaluation is not None
    count = f"{trace.evaluation.samples:,}"
    assert any(f"on {count} of {count} test samples" in note for note in trace.compression.notes)


def test_rows_with_every_value_missing_and_far_out_are_answered_alike(lesson: Callable[[str], Lesson]) -> None:
    folder = lesson("activity").folder
    pipeline = Pipeline.load(folder)
    X = np.stack([np.full(20, np.nan), np.full(20, 1e6), np.full(20, -1e6), np.zeros(20)]).astype(np.float32)
    ask = session((folder / "model.onnx").read_bytes())
    probabilities = ask.run(["probabilities"], {ask.get_inputs()[0].name: X})[0]
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_int8_answers_as_the_record_says(name: str, lesson: Callable[[str], Lesson]) -> None:
    planned = lesson(name)
    # The figures are of the fit that has not seen the test samples.
    evaluated = judged_of(planned.folder)
    X, y = held_out(Pipeline.load(evaluated))
    ask = session((evaluated / "model.int8.onnx").read_bytes())
    labels = np.asarray(read_onnx((evaluated / "model.int8.onnx").read_bytes()).labels)
    predicted = labels[ask.run(["label"], {ask.get_inputs()[0].name: X})[0].ravel()]
    assert planned.trace.compression is not None
    int8 = {variant.name: variant for variant in planned.trace.compression.variants}["int8"]
    assert int8.accuracy is not None
    assert float(np.mean(predicted == y)) == pytest.approx(int8.accuracy.value, abs=1e-9)
