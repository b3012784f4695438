"""LSTM and GRU as PyTorch's and Keras's converters write them: read as layers over windows, with the same answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgewright.compression.int8 import quantise
from edgewright.core.errors import GraphError
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.operators.shape import LAST, SEQUENCE, WINDOW
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from foreign import absent_forms, answers, model, node

SAMPLES, CHANNELS, UNITS, CLASSES = 14, 3, 5, 4
RNG = np.random.default_rng(4)
X = RNG.standard_normal((6, SAMPLES, CHANNELS)).astype(np.float32)
GATES = {"LSTM": 4, "GRU": 3}


def weights(op: str, directions: int = 1) -> dict[str, Any]:
    rng, gates = np.random.default_rng(5), GATES[op] * UNITS
    shapes = {"w": (directions, gates, CHANNELS), "r": (directions, gates, UNITS), "b": (directions, 2 * gates),
              "fc": (UNITS, CLASSES), "fb": (CLASSES,)}  # fmt: skip
    arrays = {name: (rng.standard_normal(shape) / 2).astype(np.float32) for name, shape in shapes.items()}
    axes = {f"i{n}": np.asarray([n], np.int64) for n in range(3)}
    one = {"zero": np.zeros((1, 1, UNITS), np.float32), "last": np.asarray(-1), "first": np.asarray(0)}
    return {**arrays, **axes, **one}


Form = Callable[[str], list[Any]]


def cell(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401
    late: dict[str, Any] = {"linear_before_reset": 1} if op == "GRU" else {}
    recurrent: onnx.NodeProto = node(op, inputs, outputs, hidden_size=UNITS, **late, **attributes)
    return recurrent


def states(op: str) -> list[Any]:
    """First states of 0, as PyTorch writes them: of a shape that is worked out from that of the input."""
    shape = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "first"], ["n"], axis=0),
        node("Unsqueeze", ["n", "i0"], ["n1"]),
        node("Concat", ["one", "n1", "units"], ["full"], axis=0),
        node("Expand", ["zero", "full"], ["h0"]),
    ]
    if op == "LSTM":
        shape.append(node("ConstantOfShape", ["full"], ["c0"]))
    return shape


def torch_last(op: str) -> list[Any]:
    """`self.fc(self.rnn(x)[0][:, -1])`, batch first."""
    first = ["h0", "c0"][: 2 if op == "LSTM" else 1]
    return [
        *states(op),
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        cell(op, ["t", "w", "r", "b", "", *first], ["y", "yh", *(["yc"] if op == "LSTM" else [])]),
        node("Squeeze", ["y", "i1"], ["s"]),
        node("Transpose", ["s"], ["batch"], perm=[1, 0, 2]),
        node("Gather", ["batch", "last"], ["end"], axis=1),
        node("Gemm", ["end", "fc", "fb"], ["answer"]),
    ]


def torch_hidden(op: str) -> list[Any]:
    """`self.fc(self.rnn(x)[1][-1])`."""
    return [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        cell(op, ["t", "w", "r", "b"], ["", "yh"]),
        node("Gather", ["yh", "last"], ["end"], axis=0),
        node("Gemm", ["end", "fc", "fb"], ["answer"]),
    ]


def keras(op: str) -> list[Any]:
    """`Dense(LSTM(...)(x))`, as tf2onnx writes it."""
    return [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        cell(op, ["t", "w", "r", "b"], ["y", "yh"], direction="forward"),
        node("Squeeze", ["yh", "i0"], ["end"]),
        node("MatMul", ["end", "fc"], ["product"]),
        node("Add", ["product", "fb"], ["answer"]),
    ]


def keras_sequence(op: str) -> list[Any]:
    """`Dense(GlobalAveragePooling1D(LSTM(..., return_sequences=True)(x)))`."""
    return [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        cell(op, ["t", "w", "r", "b"], ["y"]),
        node("Squeeze", ["y", "i1"], ["s"]),
        node("Transpose", ["s"], ["batch"], perm=[1, 0, 2]),
        node("ReduceMean", ["batch", "i1"], ["mean"], keepdims=0),
        node("Gemm", ["mean", "fc", "fb"], ["answer"]),
    ]


def model_bytes(op: str, nodes: list[Any], **more: dict[str, Any]) -> bytes:
    constants = {**weights(op), "one": np.asarray([1]), "units": np.asarray([UNITS]), **more}
    return model(nodes, ["n", SAMPLES, CHANNELS], constants=constants, outputs=("answer",))


def kinds(graph: Graph) -> list[tuple[str, Any]]:
    return [(one.op, one.attributes[WINDOW]) for one in graph.nodes if WINDOW in one.attributes]


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
@pytest.mark.parametrize("form", [torch_last, torch_hidden, keras, keras_sequence], ids=lambda form: form.__name__)
def test_what_converters_write_is_a_layer_over_windows(op: str, form: Form) -> None:
    data = model_bytes(op, form(op))
    graph = read_model(data)
    assert kinds(graph) == [(op, SEQUENCE if form is keras_sequence else LAST)]
    wanted = answers(data, X)[0]
    np.testing.assert_allclose(compile_graph(graph)(X)["prediction"], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(answers(to_onnx(graph), X)[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_a_foreign_model_is_proven_in_every_form(op: str, tmp_path: Path) -> None:
    assert absent_forms(model_bytes(op, keras_sequence(op)), tmp_path) == {}


@pytest.mark.parametrize("op", ["LSTM", "GRU"])
@pytest.mark.parametrize("form", [torch_last, torch_hidden, keras], ids=lambda form: form.__name__)
def test_a_foreign_state_becomes_bytes(form: Form, op: str) -> None:
    graph = read_model(model_bytes(op, form(op)))
    assert graph.boundary
    floats, bytes_ = compile_graph(graph)(X)["prediction"], compile_fused(quantise(graph, X))(X)["prediction"]
    assert np.abs(floats - bytes_).max() < 0.05 * np.ptp(floats)


@pytest.mark.parametrize(
    ("op", "nodes", "more", "message"),
    [
        ("LSTM", [cell("LSTM", ["t", "w", "r", "b"], ["", "yh"], direction="bidirectional")], weights("LSTM", 2),
         "LSTM forward in time, got direction 'bidirectional' - at operator LSTM"),
        ("GRU", [cell("GRU", ["t", "w", "r", "b"], ["", "yh"], direction="reverse")], {}, "direction 'reverse'"),
        ("LSTM", [cell("LSTM", ["t", "w", "r", "b", "", "zero"], ["", "yh"])], {"zero": np.ones((1, 1, 5), np.float32)},
         "a first state of 0, got the value 'zero'"),
        ("LSTM", [cell("LSTM", ["t", "w", "r", "b", "lengths"], ["", "yh"])], {"lengths": np.asarray([9], np.int32)},
         "LSTM without lengths of sequences"),
        ("LSTM", [cell("LSTM", ["t", "w", "r", "b"], ["", "yh"], activations=["Sigmoid", "Relu", "Relu"])], {},
         "LSTM with Sigmoid, Tanh, Tanh, got Sigmoid, Relu, Relu"),
        ("LSTM", [cell("LSTM", ["t", "w", "r", "b"], ["", "", "yh"])], {}, "its cells read"),
    ],
)  # fmt: skip
def test_another_form_is_refused_in_one_line(op: str, nodes: list[Any], more: dict[str, Any], message: str) -> None:
    ends = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), *nodes, helper.make_node("Identity", ["yh"], ["answer"])]
    with pytest.raises(GraphError) as caught:
        read_model(model_bytes(op, ends, **more))
    assert message in str(caught.value) and "\n" not in str(caught.value)
