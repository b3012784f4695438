"""Whole pipelines as .tflite: raw rows to answers in LiteRT and in TFLM, against NumPy and the integer reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from c99_stages import share_of_tolerance
from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.catalogue import find, listing
from edgewright.core.executor import compile_graph
from edgewright.core.integer.network import run_values, to_integers
from edgewright.core.integer.rounding import marked
from edgewright.core.onnx.reader import read_onnx
from edgewright.export.contract import Subject
from edgewright.export.subject import read_subject
from edgewright.graph.builder import Builder
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.stage import emit
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.workflows.proof.stages import boundary_value
from foreign import MODELS
from integer_layers import need_litert
from runtime_example import classifier, numbers
from stage_examples import EXAMPLES, arriving, targets
from tflite_files import Engine, answers

if TYPE_CHECKING:
    from conftest import Lesson

ROOMS = ("edgewright.preprocessing", "edgewright.features")
CASES = [(room, kind, n) for room in ROOMS for kind in listing(room, "STAGE") for n in range(len(EXAMPLES[kind]))]
ENGINES: tuple[Engine, ...] = ("litert", "tflm")
LESSONS = ["activity", "latency", "scalability", "demo"]


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_stage_gives_what_numpy_gives(room: str, kind: str, number: int) -> None:
    stage = find(room, kind, "STAGE", "stage")
    words, table = EXAMPLES[kind][number]
    X, context = arriving(words)
    estimator = stage.build(msgspec.convert(table, stage.config), context).fit(X, targets(X))
    X = X[:40]
    builder = Builder("stage", X.shape[1:])
    value = emit(estimator, builder, builder.input)
    graph = builder.finish({"prediction": (value, "float32", estimator.transform(X[:2]).shape[1:])})
    wanted = compile_graph(graph)(X)["prediction"]
    for engine in ENGINES:
        # NaN rows are among them: where one stays, it must stay in every engine.
        assert share_of_tolerance(wanted, answers(graph, None, X, engine)[0]["prediction"]) <= 1.0


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_answers_as_its_onnx_and_its_integers(name: str, lesson: Callable[[str], Lesson]) -> None:
    folder = lesson(name).folder
    whole, small = (read_onnx((folder / file).read_bytes()) for file in ("model.onnx", "model.int8.onnx"))
    X = np.random.default_rng(2).standard_normal((60, *whole.inputs[0].shape)).astype(np.float32)
    X[3, 0], X[4] = np.nan, np.nan
    filled = any(mark.stage == "impute" for mark in whole.stages)
    usual = X if filled else np.delete(X, (3, 4), axis=0)
    wanted = compile_graph(whole)(usual)
    for engine in ENGINES:
        found, _ = answers(whole, float_network(whole), usual, engine)
        assert set(found) == set(wanted)
        for key, values in wanted.items():
            np.testing.assert_allclose(found[key].ravel(), values.ravel(), rtol=1e-4, atol=2e-5, err_msg=key)
        for rounding in ("litert", "tflm"):
            network = integer_network(small, rounding)
            _, inside = answers(small, network, X, engine)
            mine = run_values(network, inside[network.input])
            if rounding == engine:
                assert all(np.array_equal(inside[n], mine[n]) for n in mine), "bit-exact from the boundary on"
            expected = to_integers(network.values[network.input], boundary_value(small, X))
            moved = (inside[network.input] != expected).reshape(len(X), -1).any(axis=1)
            assert moved.mean() <= 0.05, "rows that a last digit moves across a step"


def two_forms(missing: bool = True) -> tuple[Graph, Graph]:
    """A pipeline of rows, float and int8; without the stage that fills missing values unless `missing`."""
    graph = classifier()
    if not missing:
        filled = next(node.outputs[0] for node in graph.nodes if node.op == "Where")
        nodes = tuple(
            msgspec.structs.replace(n, inputs=tuple(graph.inputs[0].name if i == filled else i for i in n.inputs))
            for n in graph.nodes
            if n.op not in ("Where", "IsNaN")
        )
        graph = msgspec.structs.replace(graph, nodes=nodes, stages=())
    return graph, quantise(graph, numbers(200, 10))


@pytest.mark.parametrize("engine", ["litert", "xnnpack", "tflm"])
@pytest.mark.parametrize("fills", [True, False])
def test_missing_and_far_out_values_round_as_the_reference_says(engine: Engine, fills: bool) -> None:
    _, small = two_forms(fills)
    network = integer_network(small, "tflm" if engine == "tflm" else "litert")
    X = numbers(9, 10)
    X[0], X[1, 2], X[2, 3], X[3, 4], X[4], X[5], X[6, 1] = np.nan, np.nan, np.inf, -np.inf, 1e30, -3e38, 1e12
    found, inside = answers(small, network, X, engine)
    expected = to_integers(network.values[network.input], boundary_value(small, X))
    np.testing.assert_array_equal(inside[network.input], expected)
    assert np.isfinite(found["probabilities"]).all() and (found["label"] == found["probabilities"].argmax(axis=1)).all()
    np.testing.assert_array_equal(found["confidence"], found["probabilities"].max(axis=1))


def test_what_a_caller_reads_of_a_file(tmp_path: Path) -> None:
    need_litert()
    from ai_edge_litert.interpreter import Interpreter

    from edgewright.export.tflite import TARGET

    whole, small = two_forms()
    files = TARGET.files(Subject("net", small, "tflm"))
    assert sorted(files) == ["net.network.tflite", "net.tflite"]
    made = Interpreter(model_content=files["net.tflite"])
    made.allocate_tensors()
    (source,), targets_ = made.get_input_details(), made.get_output_details()
    assert source["dtype"] is np.float32 and source["shape"].tolist() == [1, 10] and source["name"] == "input"
    assert [t["name"] for t in targets_] == ["label", "probabilities", "confidence"]
    assert [t["dtype"] for t in targets_] == [np.int32, np.float32, np.float32]
    assert (
        json.dumps(list(whole.labels)).encode() in files["net.tflite"]
        and b"edgewright.rounding" in (files["net.tflite"])
    )
    assert files == TARGET.files(Subject("net", marked(small, "tflm"), "tflm")), "the same bytes"
    note = TARGET.note(Subject("net", small))
    assert (
        "net.tflite is the whole pipeline: raw float32 values in, label (int32), probabilities, confidence out" in note
    )
    assert "net.network.tflite is the network alone: takes 10 and gives 3" in note
    # Two constants of ten floats, and a few hundred bytes an operator and tensor around them.
    assert 0 < len(files["net.tflite"]) - len(files["net.network.tflite"]) < 4000
    X = numbers(5, 10)
    answered = engines.get("litert").load(files["net.tflite"])(X)
    np.testing.assert_allclose(answered["probabilities"], compile_graph(small)(X)["probabilities"], atol=0.02)
    with pytest.raises(InputError, match="give the file with its network alone"):
        read_tflite(files["net.tflite"])
    assert read_tflite(files["net.network.tflite"]).values[0].scale > 0


def test_a_preprocessing_that_tflite_lacks_leaves_the_network() -> None:
    need_litert()
    from edgewright.export.tflite import TARGET

    b = Builder("odd", (4,))
    value = b.op("Pad", b.input, b.integers(0, 1, 0, 0), mode="edge")
    b.boundary(value)
    value = b.op("Gemm", value, b.constant(numbers(5, 2)), b.constant(numbers(2)))
    graph = b.finish({"prediction": (value, "float32", (2,))})
    assert list(TARGET.files(Subject("odd", graph))) == ["odd.network.tflite"]
    note = TARGET.note(Subject("odd", graph))
    assert "odd.tflite, the whole pipeline, is not written" in note and "got edge - at operator Pad that gives" in note
    nothing = msgspec.structs.replace(graph, boundary="")
    with pytest.raises(InputError, match="got edge - at operator Pad that gives"):
        TARGET.files(Subject("odd", nothing))


@pytest.mark.parametrize(
    ("name", "runs_in"),
    [
        ("sklearn-logistic", ENGINES),
        ("sklearn-polynomial", ENGINES),
        ("sklearn-bayes", ENGINES),
        ("keras-conv2d", ENGINES),
        ("sklearn-forest", ("litert",)),
        ("lightgbm", ("litert",)),
    ],
)
def test_models_from_elsewhere_are_written_whole(name: str, runs_in: tuple[Engine, ...]) -> None:
    need_litert()
    from edgewright.export.tflite import network_of

    graph = read_subject(MODELS / f"{name}.onnx").graph
    X = np.random.default_rng(0).standard_normal((20, *graph.inputs[0].shape)).astype(np.float32)
    wanted: dict[str, Any] = compile_graph(graph)(X)
    for engine in runs_in:
        found, _ = answers(graph, network_of(graph), X, engine)
        for key, values in wanted.items():
            np.testing.assert_allclose(found[key].ravel(), values.ravel(), rtol=1e-5, atol=1e-5, err_msg=key)
