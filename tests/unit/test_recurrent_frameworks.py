"""LSTM and GRU as PyTorch and Keras themselves export them, with the answers that the frameworks gave.

`tools/make_recurrent.py` made the files; docs/importing.md has the versions.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler, use_one_compiler
from edgewright.compression.int8 import quantise
from edgewright.core.errors import OnnxError
from edgewright.core.integer.network import run_integer, to_integers
from edgewright.core.integer.qdq import compile_fused, integer_network
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.streaming import NetworkStream
from edgewright.workflows.compression.subject import open_model
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.subject import Chosen, subject_of
from foreign import absent_forms, answers

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "recurrent"
GRAPHS = sorted(path.name for path in MODELS.glob("*.onnx"))
FILES = sorted(path.stem for path in MODELS.glob("*.tflite"))
# What Softmax is left out of comes before it in the order of outputs.
ANSWERS = ("probabilities", "prediction")


@cache
def given(framework: str) -> dict[str, NDArray[Any]]:
    """Windows `x`, and answers by the beginning of a file's name."""
    with np.load(MODELS / f"{framework}.npz") as data:
        return dict(data)


def framework_of(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return windows, and what the framework answered to them."""
    data = given(name.partition("-")[0])
    (key,) = (key for key in data if name.startswith(key) and "-" in key)
    return data["x"], data[key]


def answer(outputs: dict[str, Any]) -> NDArray[Any]:
    array: NDArray[Any] = next(outputs[name] for name in ANSWERS if name in outputs)
    return array


@pytest.mark.parametrize("name", GRAPHS)
def test_a_model_gives_the_answers_of_its_framework(name: str) -> None:
    x, wanted = framework_of(name)
    graph = read_model(MODELS / name)
    np.testing.assert_allclose(answer(compile_graph(graph)(x)), wanted, rtol=1e-5, atol=1e-6)
    outputs = [value.name for value in graph.outputs]
    written = dict(zip(outputs, answers(to_onnx(graph), x), strict=True))
    np.testing.assert_allclose(answer(written), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_layer_of_a_model_becomes_bytes(name: str) -> None:
    x, wanted = framework_of(name)
    quantised = quantise(read_model(MODELS / name), x)
    kinds = {operator.kind for operator in integer_network(quantised, "litert").operators}
    head = "conv" if "-every" in name else "dense"
    assert head in kinds and kinds & {"lstm", "gru"}
    assert np.abs(answer(compile_fused(quantised)(x)) - wanted).max() < 0.05 * np.ptp(wanted)


@pytest.mark.parametrize("name", [name for name in FILES if "int8" not in name])
def test_a_float_tflite_gives_the_answers_of_litert(name: str) -> None:
    data = given("tf_keras")
    graph = network_graph(read_tflite(MODELS / f"{name}.tflite"))
    assert graph.boundary and any(node.op == "LSTM" for node in graph.nodes)
    np.testing.assert_allclose(answer(compile_graph(graph)(data["x"])), data[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in FILES if "int8" in name])
def test_every_byte_of_an_int8_tflite_is_that_of_litert(name: str) -> None:
    data = given("tf_keras")
    network = read_tflite(MODELS / f"{name}.tflite")
    np.testing.assert_array_equal(run_integer(network, to_integers(network.values[0], data["x"])), data[name])
    of_graph = integer_network(network_graph(network), "litert")
    windows = to_integers(of_graph.values[of_graph.input], data["x"].transpose(0, 2, 1))
    np.testing.assert_array_equal(run_integer(of_graph, windows), data[name])
    if name.startswith("tf-keras-lstm-classes"):
        step = NetworkStream(of_graph).push(np.ascontiguousarray(windows[0].T))[-1]
        np.testing.assert_array_equal(step, data[name][0])


def test_a_loop_that_is_no_gru_is_refused_in_one_line() -> None:
    proto = onnx.load(MODELS / "keras-gru-classes.onnx")
    (loop,) = (node for node in proto.graph.node if node.op_type == "Loop")
    (bent,) = (node for node in loop.attribute[0].g.node if node.op_type == "Tanh")
    bent.op_type = "Relu"
    with pytest.raises(OnnxError, match="without branches and loops, got the attribute 'body'"):
        read_model(proto.SerializeToString())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GRAPHS if "-mean" not in name])
def test_a_model_is_proven_in_every_form(name: str, tmp_path: Path) -> None:
    assert absent_forms((MODELS / name).read_bytes(), tmp_path) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["torch-lstm-classes-dynamo.onnx", "keras-gru-classes.onnx", "keras-gru-before-classes.onnx"]
)
def test_every_int8_form_and_every_step_is_proven(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    use_one_compiler(monkeypatch)
    x, _ = framework_of(name)
    subject = subject_of("state", {"int8": quantise(read_model(MODELS / name), x)})
    record = prove_subject(subject, "here", Chosen(x, tuple(f"window {n}" for n in range(len(x))), "windows"))
    assert record.passed, record.breaks
    names = {form.name for form in record.forms}
    assert any(form.startswith("C99 step by step") for form in names) and "integers step by step" in names


@pytest.mark.parametrize("name", ["torch-gru-classes-script.onnx", "keras-lstm-classes.onnx"])
def test_compress_cuts_rows_into_the_windows_of_a_model_with_samples_first(name: str, tmp_path: Path) -> None:
    rng, lines = np.random.default_rng(3), ["a,b,c,label,machine"]
    for machine in range(6):
        for label in ("low", "middle", "top"):
            rows = rng.standard_normal((20, 3))
            lines += [f"{a:.3f},{b:.3f},{c:.3f},{label},m{machine}" for a, b, c in rows]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    subject = open_model(MODELS / name, str(tmp_path / "rows.csv"), "label", "machine")
    x, wanted = framework_of(name)
    assert subject.graph.inputs[0].shape == (3, 10) and subject.graph.boundary == subject.graph.inputs[0].name
    outputs = compile_graph(subject.graph)(np.ascontiguousarray(x.transpose(0, 2, 1)))
    np.testing.assert_allclose(answer(outputs), wanted, rtol=1e-5, atol=1e-6)
