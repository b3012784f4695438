"""The shipped pipelines as C99, raw rows to answers, against ONNX Runtime and the integer reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler
from edgewright import Pipeline
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, StageMark, Value
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, CModel, load_c99
from edgewright.graph.builder import without_mask
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan

if TYPE_CHECKING:
    from conftest import Lesson

NAMES = ["activity", "latency", "scalability", "demo"]
FLAGS = (*STRICT, "-O2", "-ffp-contract=off")
ROWS = 300


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


def raw_rows(folder: Path) -> NDArray[np.float32]:
    """Test rows, one of them with every value missing and two far out."""
    config = Pipeline.load(folder).config
    assert config is not None
    material = prepare(data_plan(config), None)
    X = np.ascontiguousarray(material.samples.X[material.sides.test][:ROWS], np.float32)
    X[-3], X[-2], X[-1] = np.nan, 1e6, -1e6
    return X


def seen_to_the_boundary(graph: Graph) -> Graph:
    """Return the graph with the end of preprocessing as one more stage."""
    return msgspec.structs.replace(graph, stages=(*graph.stages, StageMark(stage="boundary", value=graph.boundary)))


def in_onnxruntime(graph: Graph, name: str, shape: tuple[int, ...], X: NDArray[np.float32]) -> NDArray[np.float32]:
    extra = Value(name=name, dtype="float32", shape=shape)
    outputs = graph.outputs if any(v.name == name for v in graph.outputs) else (*graph.outputs, extra)
    model = to_onnx(msgspec.structs.replace(graph, outputs=outputs))
    session = open_session(model)
    return np.asarray(session.run([name], {session.get_inputs()[0].name: X})[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_int8_pipeline_has_the_features_of_onnx_runtime_and_the_bytes_of_the_reference(
    name: str, lesson: Callable[[str], Lesson], tmp_path: Path
) -> None:
    folder = lesson(name).folder
    X = raw_rows(folder)
    graph = seen_to_the_boundary(read_onnx((folder / "model.int8.onnx").read_bytes()))
    network = integer_network(graph)
    model: CModel = load_c99(write_c99(graph, CodeOptions("lesson"), network), tmp_path, flags=FLAGS)
    answer = model.predict(X)
    features = answer.stages["boundary"].reshape(len(X), *network.values[network.input].shape)
    expected = in_onnxruntime(graph, graph.boundary, features.shape[1:], X)
    # The spread of honest rows, not that of the two which are far out.
    off = np.abs(features - expected) - 1e-5 * np.abs(expected) - 1e-5 * np.ptp(expected[:-3], axis=0)
    # Without a stage that fills it, a missing value stays one; the network takes it as the real number 0.
    assert (np.isnan(features) == np.isnan(expected)).all()
    assert np.nanmax(off) <= 0
    first, last = network.values[network.input], network.values[network.output]
    grid, other = to_integers(first, features), to_integers(first, expected)
    np.testing.assert_array_equal(model.network(grid), run_integer(network, grid))
    moved = (grid != other).reshape(len(X), -1).any(axis=1)
    assert moved.mean() <= 0.01, "rows that the last digit moves across a step"
    raw = to_reals(last, run_integer(network, grid))
    answers = compile_graph(graph)(X)
    if "label" in answers:
        mask = without_mask(graph)[1]
        assert mask is not None
        best = raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).astype(int)
        np.testing.assert_array_equal(answer.outputs["label"], np.where(mask.unanswered(X), -1, best))
    # ONNX Runtime rounds the network in its own way: nearly every label is the same.
    if "label" in answers:
        assert np.sum(answer.outputs["label"] != answers["label"].ravel()) <= max(2, len(X) * 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_float_pipeline_has_every_label_of_onnx_runtime(
    name: str, lesson: Callable[[str], Lesson], tmp_path: Path
) -> None:
    folder = lesson(name).folder
    graph = read_onnx((folder / "model.onnx").read_bytes())
    X = raw_rows(folder)
    if not any(mark.stage == "impute" for mark in graph.stages):
        X = np.delete(X, -3, axis=0)
    outputs = load_c99(write_c99(graph, CodeOptions("lesson")), tmp_path, flags=FLAGS).predict(X).outputs
    for value in graph.outputs:
        expected = in_onnxruntime(graph, value.name, value.shape, X)
        if value.name == "label":
            np.testing.assert_array_equal(outputs["label"], expected.ravel())
        else:
            np.testing.assert_allclose(
                outputs[value.name], expected.reshape(outputs[value.name].shape), rtol=1e-4, atol=2e-5
            )
