"""Layers with a state in files: what is written is read back, and what is not known is refused by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.engines import get
from edgewright.core.errors import Int8Error
from edgewright.core.integer.network import run_integer, to_integers
from edgewright.core.integer.qdq import compile_fused, integer_network
from edgewright.core.kernels.recurrent import STATE_STEP
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.operators.shape import CELL, WINDOW
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Rounding
from edgewright.graph.builder import Builder
from edgewright.graph.cost import cost
from edgewright.graph.extract import float_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.architecture import architecture
from integer_layers import litert, need_tflm, tflm, to_tflite
from integer_networks import samples_of, small
from support import left_out

X = np.random.default_rng(0).standard_normal((60, 3, 20)).astype(np.float32)


def network(*layers: dict[str, object], scale: float = 1.0) -> Graph:
    network = architecture([dict(layer) for layer in layers], (3, 20), 2)
    builder = Builder("state", (3, 20))
    builder.boundary(builder.input)
    parameters = network.initialise(np.random.default_rng(1))
    parameters[0] = {name: array * np.float32(scale) for name, array in parameters[0].items()}
    value = network.to_graph(parameters, builder, builder.input)
    return builder.finish({"prediction": (value, "float32", (2,))})


LSTM, GRU = {"kind": "lstm", "units": 6}, {"kind": "gru", "units": 6}


@pytest.mark.parametrize("layers", [(LSTM,), (GRU,), ({**LSTM, "sequence": True}, GRU)], ids=str)
def test_a_file_has_operators_of_the_standard_and_comes_back_over_windows(
    layers: tuple[dict[str, object], ...],
) -> None:
    graph = network(*layers)
    data = to_onnx(graph)
    operators = [node.op_type for node in onnx.load_model_from_string(data).graph.node]
    assert operators.count("LSTM") + operators.count("GRU") == len(layers) and operators[0] == "Transpose"
    back = read_onnx(data)
    assert back.nodes == graph.nodes
    assert back.constants.keys() == graph.constants.keys() and back.metadata == graph.metadata
    np.testing.assert_array_equal(compile_graph(back)(X)["prediction"], compile_graph(graph)(X)["prediction"])


def test_the_step_of_the_cell_travels_in_the_file_and_holds_the_cells() -> None:
    for scale in (0.1, 4.0):
        graph = network(LSTM, scale=scale)
        cells = msgspec.structs.replace(graph.nodes[0], attributes={**graph.nodes[0].attributes, WINDOW: CELL})
        largest = np.abs(
            compile_graph(msgspec.structs.replace(graph, nodes=(cells,)), cells.outputs)(X)[cells.outputs[0]]
        )
        quantised = quantise(graph, X)
        (node,) = (node for node in quantised.nodes if node.op == "LSTM")
        step = 2.0 ** int(str(node.attributes["cell"]))
        assert step * (2**15 - 1) >= largest.max()
        assert step == 2.0**-15 or largest.max() > step / 2 * (2**15 - 1)
        x = to_integers(integer_network(quantised).values[0], X)
        back = integer_network(read_onnx(to_onnx(quantised)))
        np.testing.assert_array_equal(run_integer(back, x), run_integer(integer_network(quantised), x))


@pytest.mark.parametrize("layer", [LSTM, GRU], ids=str)
def test_an_int8_state_answers_nearly_as_the_floats(layer: dict[str, object]) -> None:
    graph = network({**layer, "sequence": True}, layer)
    floats, integers = compile_graph(graph)(X)["prediction"], compile_fused(quantise(graph, X))(X)["prediction"]
    assert np.abs(floats - integers).max() < 0.05 * np.ptp(floats)


def test_products_count_once_a_sample() -> None:
    assert cost(network(LSTM)).total.macs == 20 * 4 * 6 * (3 + 6) + 6 * 2
    assert cost(network(GRU)).total.macs == 20 * 3 * 6 * (3 + 6) + 6 * 2


def test_a_float_gru_is_written_out_for_litert_and_tflm() -> None:
    need_tflm()
    graph, x = network({**GRU, "sequence": True}, GRU), X[:8]
    data = to_tflite(float_network(graph))
    wanted = compile_graph(graph)(x)["prediction"]
    for answers in (litert(data, x), litert(data, x, reference=False), tflm(data, x)):
        np.testing.assert_allclose(answers, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_gru_over_a_long_window_gives_the_bytes_of_litert_and_tflm() -> None:
    need_tflm()
    x = np.random.default_rng(6).standard_normal((8, 3, 300)).astype(np.float32)
    network = architecture([GRU], (3, 300), 2)
    builder = Builder("long", (3, 300))
    builder.boundary(builder.input)
    value = network.to_graph(network.initialise(np.random.default_rng(1)), builder, builder.input)
    graph = quantise(builder.finish({"prediction": (value, "float32", (2,))}), x)
    engines: dict[Rounding, Callable[..., NDArray[Any]]] = {"litert": litert, "tflm": tflm}
    for rounding, engine in engines.items():
        prepared = integer_network(graph, rounding)
        steps = to_integers(prepared.values[0], x)
        np.testing.assert_array_equal(engine(to_tflite(prepared), steps), run_integer(prepared, steps))


def test_only_the_reset_gate_of_a_gru_keeps_the_bias_of_the_state_apart() -> None:
    rng = np.random.default_rng(5)
    weights, recurrent, bias = (rng.uniform(-0.5, 0.5, shape) for shape in ((1, 18, 3), (1, 18, 6), (1, 36)))
    builder = Builder("state", (3, 20))
    builder.boundary(builder.input)
    constants = [builder.constant(array.astype(np.float32)) for array in (weights, recurrent, bias)]
    value = builder.op("GRU", builder.input, *constants, hidden_size=6, window="last", linear_before_reset=1)
    graph = builder.finish({"prediction": (value, "float32", (6,))})
    (operator,) = (one for one in integer_network(quantise(graph, X)).operators if one.kind == "gru")
    first, late = operator.arrays["bias"].reshape(2, -1)
    step = np.repeat(operator.arrays["recurrent_scale"], 6) * STATE_STEP
    assert not late[:12].any()
    np.testing.assert_allclose(late[12:] * step[12:], bias[0, 30:], atol=1e-6)
    assert first.any()
    floats, integers = compile_graph(graph)(X)["prediction"], compile_fused(quantise(graph, X))(X)["prediction"]
    assert np.abs(floats - integers).max() < 0.02


@pytest.mark.parametrize("layer", [LSTM, GRU], ids=str)
def test_a_window_of_huge_numbers_is_refused_in_a_line(layer: dict[str, object]) -> None:
    with pytest.raises(Int8Error, match=r"sums of products within 32 bits.*Scale what goes into the layer"):
        integer_network(quantise(network(layer), X * np.float32(1e6)))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_engines_of_others_answer_nearly_as_the_integers(name: str, kind: str) -> None:
    if importlib.util.find_spec(name) is None:
        left_out(name)
    graph = small(kind)
    x = samples_of(graph)[:100]
    answer = get(name).load(to_onnx(graph))(x)["probabilities"]
    assert np.abs(answer - compile_fused(graph)(x)["probabilities"]).max() < 0.02
