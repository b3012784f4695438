"""The base install answers as generated C does: it runs an int8 network as integers, wherever it has that form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.errors import InputError
from edgewright.core.integer.network import marked, to_integers, to_reals
from edgewright.core.integer.qdq import compile_fused, integer_network
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Node, Rounding, Value
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.workflows.proof.stages import in_a_row, tail
from integer_networks import LAYERS, WINDOWS, picture, samples_of, small
from integer_reference import reference_values

NUMPY = engines.get("numpy")
AS_INTEGERS = "its int8 network as integers, bit by bit as generated C"


def by_definition(
    graph: Graph, samples: NDArray[np.float32], rounding: Rounding = "litert"
) -> dict[str, NDArray[np.generic]]:
    """Return the graph's answers by the slow definition of every integer kernel; the network begins at the input."""
    network = integer_network(graph, rounding)
    integers = reference_values(network, to_integers(network.values[0], samples))[network.output]
    return dict(tail(graph, network)(in_a_row(to_reals(network.values[network.output], integers))))


@pytest.mark.parametrize("rounding", ["litert", "tflm"])
@pytest.mark.parametrize("name", [*LAYERS, "picture"])
def test_answers_are_those_of_the_integers(name: str, rounding: Rounding) -> None:
    graph, samples = small(name), samples_of(small(name))
    model = to_onnx(marked(graph, rounding))
    assert NUMPY.note(model) == AS_INTEGERS
    given = NUMPY.load(model)(samples)
    for stage, values in by_definition(graph, samples, rounding).items():
        np.testing.assert_array_equal(given[stage].reshape(values.shape), values)


def test_operators_in_float_gave_other_bytes() -> None:
    """A mean is rounded before it is divided: the float form of the graph is beside it in many answers."""
    rng = np.random.default_rng(4)
    builder = Builder("means", (3, 16))
    builder.boundary(builder.input)
    value = builder.op("Conv", builder.input, builder.constant(_weights(rng, 6, 3, 1)))
    value = builder.op("Flatten", builder.op("GlobalAveragePool", value), axis=1)
    value = builder.op("Gemm", value, builder.constant(_weights(rng, 6, 4)))
    x = rng.standard_normal((200, 3, 16)).astype(np.float32)
    graph = quantise(builder.finish({"prediction": (value, "float32", (4,))}), x)
    (wanted,) = by_definition(graph, x, "litert").values()
    given, floats = NUMPY.load(to_onnx(graph))(x)["prediction"], compile_graph(graph)(x)["prediction"]
    np.testing.assert_array_equal(given, wanted)
    assert np.mean(floats != wanted) > 0.05


def test_preprocessing_before_the_network_and_further_outputs_stay() -> None:
    """As a graph that also says which samples had values missing."""
    rng = np.random.default_rng(0)
    builder = Builder("missing", (2, 12), labels=("a", "b"))
    absent = builder.op("IsNaN", builder.input)
    value = builder.op("Where", absent, builder.number(0.25), builder.input)
    builder.boundary(value)
    weights = rng.standard_normal((4, 2, 3)).astype(np.float32)
    value = builder.op("Relu", builder.op("Conv", value, builder.constant(weights), pads=(1, 1)))
    value = builder.op("Flatten", value, axis=1)
    value = builder.op("Gemm", value, builder.constant(rng.standard_normal((48, 2)).astype(np.float32)))
    value = builder.op("Softmax", value, axis=-1)
    missing = builder.op("ReduceMax", builder.op("Cast", absent, to=1), builder.integers(1, 2), keepdims=0)
    outputs = {
        "label": (builder.op("ArgMax", value, axis=1, keepdims=0), "int64", ()),
        "probabilities": (value, "float32", (2,)),
        "confidence": (builder.op("ReduceMax", value, builder.integers(1), keepdims=0), "float32", ()),
        "missing": (missing, "float32", ()),
    }
    x = rng.standard_normal((50, 2, 12)).astype(np.float32)
    graph = quantise(builder.finish(outputs), x)
    x[::3, 1, 4] = np.nan
    model = to_onnx(graph)
    assert NUMPY.note(model) == AS_INTEGERS
    given, plain = NUMPY.load(model)(x), compile_graph(graph)(x)
    assert list(given) == list(plain)
    np.testing.assert_array_equal(given["missing"], np.isnan(x).any(axis=(1, 2)))
    filled = np.where(np.isnan(x), np.float32(0.25), x)
    alone = NUMPY.load(model)(filled)
    np.testing.assert_array_equal(given["probabilities"], alone["probabilities"])


def test_a_network_that_ends_in_a_window_gives_its_channels_first() -> None:
    rng = np.random.default_rng(1)
    builder = Builder("denoiser", (2, 16))
    builder.boundary(builder.input)
    value = builder.op("Relu", builder.op("Conv", builder.input, builder.constant(_weights(rng, 5, 2, 3)), pads=(2, 0)))
    value = builder.op("Conv", value, builder.constant(_weights(rng, 3, 5, 1)))
    x = rng.standard_normal((30, 2, 16)).astype(np.float32)
    graph = quantise(builder.finish({"prediction": (value, "float32", (3, 16))}), x)
    assert NUMPY.note(to_onnx(graph)) == AS_INTEGERS
    given, plain = NUMPY.load(to_onnx(graph))(x)["prediction"], compile_graph(graph)(x)["prediction"]
    assert given.shape == (30, 3, 16)
    step = integer_network(graph).values[-1].scale
    assert np.abs(given - plain).max() <= 3 * step


def test_empty_and_large_batches() -> None:
    graph = small("conv1d")
    ask = NUMPY.load(to_onnx(graph))
    many = np.tile(WINDOWS, (9, 1, 1))
    given, one = ask(many)["probabilities"], ask(WINDOWS)["probabilities"]
    np.testing.assert_array_equal(given, np.tile(one, (9, 1)))
    assert ask(WINDOWS[:0])["label"].shape == (0,)


def test_an_operator_without_an_integer_form_runs_in_float_and_is_named() -> None:
    graph = small("dense")
    nodes = tuple(Node(op="Tanh", inputs=n.inputs, outputs=n.outputs) if n.op == "Relu" else n for n in graph.nodes)
    other = msgspec.structs.replace(graph, nodes=nodes)
    text = NUMPY.note(to_onnx(other))
    assert text.startswith("its int8 network in float32, which may give another label than C") and "Tanh" in text
    x = samples_of(graph)[:20]
    np.testing.assert_array_equal(NUMPY.load(to_onnx(other))(x)["label"], compile_graph(other)(x)["label"])


def test_a_value_inside_the_network_that_is_an_output_too_keeps_it_in_float() -> None:
    graph = small("dense")
    inner = next(n for n in graph.nodes if n.op == "QuantizeLinear" and n.inputs[0] != graph.boundary).outputs[0]
    opened = msgspec.structs.replace(graph, outputs=(*graph.outputs, Value(name=inner, dtype="int8", shape=(64,))))
    x = samples_of(graph)[:5]
    assert "read elsewhere" in NUMPY.note(to_onnx(opened))
    assert NUMPY.load(to_onnx(opened))(x)[inner].shape == (5, 64)


def _damaged(graph: Graph, rng: np.random.Generator) -> Graph:
    """Return the graph with an input of a node taken away, exchanged, or a constant of another type or sign."""
    nodes, constants = list(graph.nodes), dict(graph.constants)
    index, name = int(rng.integers(len(nodes))), str(rng.choice(list(constants)))
    node, kind = nodes[index], int(rng.integers(5))
    if kind == 0:
        nodes[index] = msgspec.structs.replace(node, inputs=node.inputs[:-1])
    elif kind == 1:
        values = [*constants, *(output for other in nodes for output in other.outputs)]
        inputs = list(node.inputs)
        inputs[int(rng.integers(len(inputs)))] = str(rng.choice(values))
        nodes[index] = msgspec.structs.replace(node, inputs=tuple(inputs))
    elif kind == 2:
        constants[name] = -constants[name]
    elif kind == 3:
        constants[name] = constants[name].astype(str(rng.choice(["float32", "int8", "uint8", "int64"])))
    else:
        nodes.pop(index)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LAYERS, "picture"])
def test_a_damaged_graph_is_refused_or_means_what_its_operators_say(name: str) -> None:
    graph, rng, ran = small(name), np.random.default_rng(5), 0
    x = samples_of(graph)[:20]
    right = by_definition(graph, x, "litert")
    output = "probabilities" if graph.labels else "prediction"
    spread = float(np.ptp(np.asarray(right[output], np.float64)))
    for _ in range(150):
        damaged = _damaged(graph, rng)
        try:
            values = compile_fused(damaged)(x)
            wanted = compile_graph(damaged)(x)
        except InputError:
            continue
        ran += 1
        if output in wanted and np.isfinite(wanted[output]).all():
            assert np.abs(values[output] - wanted[output]).max() <= 0.5 * spread
    assert ran > 10


def test_a_float_model_has_nothing_to_say() -> None:
    assert NUMPY.note(to_onnx(picture())) == ""


def test_a_float_model_is_opened_without_the_kernels_of_integers(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(to_onnx(picture()))
    code = (
        "import sys; from edgewright.core.engines import get; "
        "get('numpy').load(open(sys.argv[1], 'rb').read()); "
        "print([m for m in sys.modules if m.startswith(('edgewright.core.integer', 'edgewright.core.kernels'))])"
    )
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_what_an_engine_refuses_is_refused_alike() -> None:
    model = to_onnx(small("conv1d"))
    graph = read_onnx(model)
    for run in (NUMPY.load(model), compile_graph(graph)):
        with pytest.raises(Exception, match=r"input of shape \(n, 3, 32\)"):
            run(np.zeros((2, 3, 31), np.float32))


def _weights(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return np.asarray(rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:])), np.float32)
