""".tflite files of networks and of whole pipelines."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from c99_stages import fitted, share_of_tolerance
from edgewright.compression.int8 import quantise
from edgewright.core import engines, kernels
from edgewright.core.errors import ExportError, TfliteError, UnknownNameError
from edgewright.core.integer.network import marked, run_integer, run_values, to_integers, to_reals
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export.contract import Subject, read_subject
from edgewright.graph.builder import Builder
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.workflows.proof.stages import boundary_value
from foreign import MODELS
from integer_layers import litert, need_litert, need_tflm, tflm, to_tflite
from integer_networks import LAYERS, samples_of, small, trained
from runtime_example import classifier, numbers
from stage_examples import CASES
from tflite_files import Engine, answers

if TYPE_CHECKING:
    from conftest import Lesson

NAMES = tuple(LAYERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_float_files_answer_as_the_graph(name: str) -> None:
    need_tflm()
    graph = trained(name)
    samples = samples_of(graph)[:30]
    raw = next(node.inputs[0] for node in graph.nodes if node.op == "Softmax")
    wanted = compile_graph(graph, [raw])(samples)[raw]
    file = to_tflite(float_network(graph))
    for engine in (litert, tflm):
        np.testing.assert_allclose(engine(file, samples), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_float_ends_round_and_scale_as_we_do(name: str) -> None:
    need_tflm()
    graph = small(name)
    samples = samples_of(graph)[:60]
    for rounding, engine in (("litert", litert), ("tflm", tflm)):
        network = integer_network(graph, rounding)  # type: ignore[arg-type]
        wanted = run_integer(network, to_integers(network.values[network.input], samples))
        reals = to_reals(network.values[network.output], wanted)
        np.testing.assert_array_equal(engine(to_tflite(network, float_ends=True), samples), reals)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_fast_path_of_litert_is_some_steps_away(name: str) -> None:
    network = integer_network(small(name))
    x = to_integers(network.values[network.input], samples_of(small(name)))
    fast = litert(to_tflite(network), x, reference=False).astype(int)
    mine = run_integer(network, x)
    # A step in the mean of a window is several in raw outputs on a finer grid.
    steps = np.abs(fast - mine)
    assert steps.max() <= 8 and np.mean(steps) < 1.5
    assert np.mean(fast.argmax(axis=1) == mine.argmax(axis=1)) > 0.97


def test_details_that_a_caller_reads() -> None:
    need_litert()
    from ai_edge_litert.interpreter import Interpreter

    network = integer_network(small("conv1d"))
    interpreter = Interpreter(model_content=to_tflite(network))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert source["dtype"] is np.int8 and source["shape"].tolist() == [1, 3, 32]
    assert target["dtype"] is np.int8 and target["shape"].tolist() == [1, 3]
    first = network.values[network.input]
    assert source["quantization"] == (np.float32(first.scale), first.zero)
    interpreter = Interpreter(model_content=to_tflite(network, float_ends=True))
    assert interpreter.get_input_details()[0]["dtype"] is np.float32 is interpreter.get_output_details()[0]["dtype"]


def test_the_same_network_gives_the_same_bytes() -> None:
    network = integer_network(small("pools"))
    assert to_tflite(network) == to_tflite(integer_network(small("pools")))
    assert to_tflite(network)[4:8] == b"TFL3"


def test_size_of_a_small_network() -> None:
    whole, tiny = to_tflite(float_network(trained("dense"))), to_tflite(integer_network(small("dense")))
    assert (
        sum(o.arrays["weights"].size + o.arrays["bias"].size for o in float_network(trained("dense")).operators) == 5059
    )
    assert len(whole) / len(tiny) >= 2.9


def test_size_of_a_large_network() -> None:
    sizes = (512, 1024, 1024, 640, 256, 10)
    rng = np.random.default_rng(0)
    builder = Builder("large", (512,))
    builder.boundary(builder.input)
    value = builder.input
    for inputs, outputs in pairwise(sizes):
        weights = (rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)).astype(np.float32)
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(np.zeros(outputs, np.float32)))
        value = builder.op("Relu", value) if outputs > 10 else value
    graph = builder.finish({"prediction": (value, "float32", (10,))})
    x = rng.standard_normal((50, 512)).astype(np.float32)
    whole = len(to_tflite(float_network(graph)))
    network = integer_network(quantise(graph, x, per_channel="always"))
    # A scale a channel costs 24 bytes here: float32 and a 64-bit zero point, of the weights and of the bias.
    assert whole / len(to_tflite(network)) >= 3.85
    network = integer_network(quantise(graph, x, per_channel="never"))
    file = to_tflite(network)
    assert whole / len(file) >= 3.95
    bytes_in = to_integers(network.values[0], x[:5])
    np.testing.assert_array_equal(run_integer(network, bytes_in), litert(file, bytes_in))


def test_every_kernel_has_a_writer() -> None:
    need_litert()
    from edgewright.export.tflite_operators import writes

    # Functions of real numbers are written as they were read; those of bytes are tables.
    reals = {"elu", "exp", "gelu", "hard_swish", "leaky_relu", "log", "tanh"}
    assert set(writes.known) == {*kernels.register.known, *reals}


def test_what_a_file_cannot_hold_is_refused() -> None:
    pools = integer_network(small("pools"))

    def changed(of: str, **changes: Any) -> IntegerNetwork:  # noqa: ANN401 - fields of an operator
        operators = [msgspec.structs.replace(o, **changes) if o.kind == of else o for o in pools.operators]
        return msgspec.structs.replace(pools, operators=tuple(operators))

    numbers = next(o.numbers for o in pools.operators if o.kind == "max_pool")
    with pytest.raises(ExportError, match="a max pool without dilations, got dilations"):
        to_tflite(changed("max_pool", numbers={**numbers, "dilations": (1, 2)}))
    with pytest.raises(UnknownNameError, match=r"no operator for \.tflite 'swish'"):
        to_tflite(changed("logistic", kind="swish"))
    with pytest.raises(ExportError):
        to_tflite(float_network(trained("dense")), float_ends=True)


ENGINES: tuple[Engine, ...] = ("litert", "tflm")
LESSONS = ["activity", "latency", "scalability", "demo"]


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_stage_gives_what_numpy_gives(room: str, kind: str, number: int) -> None:
    graph, _, X = fitted(room, kind, number)
    X = X[:40]
    wanted = compile_graph(graph)(X)["prediction"]
    for engine in ENGINES:
        # NaN rows are among them: where one stays, it must stay in every engine.
        assert share_of_tolerance(wanted, answers(graph, None, X, engine)[0]["prediction"]) <= 1.0


@pytest.mark.slow
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
        outputs, _ = answers(whole, float_network(whole), usual, engine)
        assert set(outputs) == set(wanted)
        for key, values in wanted.items():
            np.testing.assert_allclose(outputs[key].ravel(), values.ravel(), rtol=1e-4, atol=2e-5, err_msg=key)
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
    """Return a pipeline of rows, float and int8; without the stage that fills missing values unless `missing`."""
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
    outputs, inside = answers(small, network, X, engine)
    expected = to_integers(network.values[network.input], boundary_value(small, X))
    np.testing.assert_array_equal(inside[network.input], expected)
    assert (
        np.isfinite(outputs["probabilities"]).all()
        and (outputs["label"] == outputs["probabilities"].argmax(axis=1)).all()
    )
    np.testing.assert_array_equal(outputs["confidence"], outputs["probabilities"].max(axis=1))


def test_what_a_caller_reads_of_a_file(tmp_path: Path) -> None:
    need_litert()
    from ai_edge_litert.interpreter import Interpreter

    from edgewright.export.targets.tflite import TARGET

    whole, small = two_forms()
    files = TARGET.files(Subject("net", small, "tflm"))
    assert sorted(files) == ["net.network.tflite", "net.tflite"]
    interpreter = Interpreter(model_content=files["net.tflite"])
    interpreter.allocate_tensors()
    (source,), targets_ = interpreter.get_input_details(), interpreter.get_output_details()
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
    with pytest.raises(TfliteError):
        read_tflite(files["net.tflite"])
    assert read_tflite(files["net.network.tflite"]).values[0].scale > 0


def test_a_preprocessing_that_tflite_lacks_leaves_the_network() -> None:
    need_litert()
    from edgewright.export.targets.tflite import TARGET

    b = Builder("odd", (4,))
    value = b.op("Pad", b.input, b.integers(0, 1, 0, 0), mode="edge")
    b.boundary(value)
    value = b.op("Gemm", value, b.constant(numbers(5, 2)), b.constant(numbers(2)))
    graph = b.finish({"prediction": (value, "float32", (2,))})
    assert list(TARGET.files(Subject("odd", graph))) == ["odd.network.tflite"]
    note = TARGET.note(Subject("odd", graph))
    assert "odd.tflite, the whole pipeline, is not written" in note and "got edge - at operator Pad that gives" in note
    nothing = msgspec.structs.replace(graph, boundary="")
    with pytest.raises(ExportError, match="got edge - at operator Pad that gives"):
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
    from edgewright.export.targets.tflite import network_of

    graph = read_subject(MODELS / f"{name}.onnx").graph
    X = np.random.default_rng(0).standard_normal((20, *graph.inputs[0].shape)).astype(np.float32)
    wanted: dict[str, Any] = compile_graph(graph)(X)
    for engine in runs_in:
        outputs, _ = answers(graph, network_of(graph), X, engine)
        for key, values in wanted.items():
            np.testing.assert_allclose(outputs[key].ravel(), values.ravel(), rtol=1e-5, atol=1e-5, err_msg=key)
