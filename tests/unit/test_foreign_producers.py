"""Files of today's converters and quantisers: read with the values of their own runtimes, or refused by name.

`benchmarks/foreign_files/producers.py` made tests/fixtures/producers; docs/importing.md has the versions.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.foreign_files.converter import KerasModel
from benchmarks.foreign_files.producers import FIXTURES, run_tflite
from numpy.typing import NDArray

from c99_stages import need_compiler, use_one_compiler
from edgewright.core.errors import GraphError, Int8Error, TfliteError
from edgewright.core.integer.network import run_integer, to_integers, to_reals
from edgewright.core.integer.qdq import compile_fused, integer_network
from edgewright.core.prediction.executor import compile_graph
from edgewright.export.contract import read_subject
from edgewright.export.targets import c99
from edgewright.graph import from_tflite
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_contents, read_tflite
from edgewright.graph.from_tflite_file import parse_tflite
from edgewright.graph.from_tflite_graph import contents_graph
from edgewright.workflows.proof.workflow import prove_place
from foreign import answers, model, node
from integer_layers import need_litert

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "producers"
FILES = sorted(path.name for path in FOLDER.glob("*.[to]*"))
SEEDS = range(6)


def stored(name: str) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return rows, and the outputs that the file's own runtime gave for them."""
    with np.load((FOLDER / name).with_suffix(".npz")) as data:
        return data["x"], [data[key] for key in sorted(data.files) if key != "x"]


def outputs(given: dict[str, Any]) -> list[NDArray[Any]]:
    """Return the outputs of a graph without label and confidence."""
    known = [given[name] for name in ("probabilities", "prediction") if name in given]
    return known or list(given.values())


def test_every_fixture_is_there() -> None:
    assert {Path(name).stem for name in FILES} == set(FIXTURES)


@pytest.mark.parametrize("name", FILES)
def test_the_outputs_are_those_of_the_runtime(name: str) -> None:
    graph = read_subject(FOLDER / name).graph
    x, expected = stored(name)
    exact = name.endswith(".tflite") and bool(graph.boundary) and any(n.op == "QuantizeLinear" for n in graph.nodes)
    given = outputs((compile_fused if exact else compile_graph)(graph)(x))
    # A runtime that quantises what a layer receives, or rounds a sum in another place, differs from real numbers.
    tolerance = 0.03 if "dynamic" in name else 0.006 if "QDQ" in name else 1e-5
    assert len(given) == len(expected)
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, atol=tolerance)


@pytest.mark.parametrize("name", [name for name in FILES if "two outputs" not in name and "QUInt8 QUInt8" not in name])
def test_what_was_read_is_written_as_c(name: str) -> None:
    subject = read_subject(FOLDER / name)
    assert any(file.endswith(".c") for file in c99.TARGET.files(subject))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_form_is_proven(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need_litert()
    need_compiler()
    use_one_compiler(monkeypatch)
    record = prove_place(str(FOLDER / name), rows=12)
    assert record.passed, (record.broken, record.breaks, record.failed)
    itself = [form.name for form in record.forms if "file itself" in form.name]
    assert bool(itself) == ("dynamic" not in name)


def test_outputs_keep_their_order_and_names() -> None:
    name = "TensorFlow two outputs float32.tflite"
    graph = read_subject(FOLDER / name).graph
    file = parse_tflite((FOLDER / name).read_bytes())
    assert [value.name for value in graph.outputs] == [file.tensors[output].name for output in file.outputs]
    with pytest.raises(TfliteError):
        read_tflite(FOLDER / name)


def test_a_weight_with_a_zero_point_is_named() -> None:
    graph = read_model(FOLDER / "ONNX Runtime dense QDQ QUInt8 QUInt8.onnx")
    with pytest.raises(Int8Error) as raised:
        integer_network(graph)
    assert "zero point" in raised.value.got
    assert raised.value.where.startswith("operator Gemm")


def test_a_softmax_after_the_network_stays_float() -> None:
    contents = read_contents(FOLDER / "litert-torch conv1d int8.tflite")
    assert contents.tails == (("SOFTMAX",),)
    graph = contents_graph(contents)
    assert graph.nodes[-1].op == "ReduceMax"
    assert [o.kind for o in integer_network(graph).operators][-1] == "dense"


def run_both(data: bytes, x: NDArray[np.float32], folder: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return our outputs and those of LiteRT, as real values."""
    path = folder / "model.tflite"
    path.write_bytes(data)
    (theirs,) = run_tflite(path, x)
    network = read_tflite(path)
    if network.values[network.output].scale:
        raw = run_integer(network, to_integers(network.values[network.input], x))
        ours = to_reals(network.values[network.output], raw)
    else:
        (ours,) = outputs(compile_graph(contents_graph(read_contents(path)))(x))
    return ours.reshape(theirs.shape), theirs


def case(name: str, seed: int) -> KerasModel:
    """Return a small network with an operator of `name` on random values."""
    rng = np.random.default_rng(seed)
    picture = bool(seed % 2)
    keras = KerasModel((6, 5, 3) if picture else (6, 3), seed)
    shape = keras.shapes["input"]
    if name in ("ADD", "MUL", "SUB", "DIV"):
        constant = keras.constant(rng.uniform(0.5, 2, (1,) * int(rng.integers(0, 3)) + (3,)).astype(np.float32))
        pair = (constant, "input") if rng.random() < 0.4 and name != "DIV" else ("input", constant)
        keras.add(name, pair, shape, fusedActivationFunction=int(rng.integers(0, 2)))
    elif name in ("MEAN", "REDUCE_MAX"):
        # Height and width, or the last axes of values with the channels first.
        first = bool(rng.random() < 0.5)
        axes = [axis - (0 if first else 1) for axis in range(2, len(shape))]
        kept = shape[1] if first else shape[-1]
        keep = bool(rng.integers(0, 2))
        wide = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
        given = ("input", keras.constant(np.asarray(axes, np.int32)))
        keras.add(name, given, wide if keep else (1, kept), keepDims=keep)
    else:
        widths = np.zeros((len(shape), 2), np.int32)
        along = range(2, len(shape)) if rng.random() < 0.5 else range(1, len(shape) - 1)
        for axis in along:
            widths[axis] = rng.integers(0, 3, 2)
        keras.add("PAD", ("input", keras.constant(widths)), tuple(int(n) for n in np.asarray(shape) + widths.sum(1)))
    if len(keras.shapes[keras.last]) != 2:
        keras.flatten()
    keras.dense(4)
    return keras


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "DIV", "MEAN", "REDUCE_MAX", "PAD"])
def test_float_operators_give_the_values_of_litert(name: str, seed: int, tmp_path: Path) -> None:
    need_litert()
    keras = case(name, seed)
    ours, theirs = run_both(keras.float32(), keras.rows(8), tmp_path)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "MEAN", "PAD"])
def test_int8_operators_give_the_bytes_of_litert(name: str, seed: int, tmp_path: Path) -> None:
    need_litert()
    keras = case(name, seed)
    ours, theirs = run_both(keras.int8(), keras.rows(40), tmp_path)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_path_that_is_no_dilated_convolution_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    file = parse_tflite((FOLDER / "TensorFlow residual int8.tflite").read_bytes())
    ends = [operator for operator in file.operators if operator.name == "BATCH_TO_SPACE_ND"]
    tensors = list(file.tensors)
    # More is cut off than was padded: values of the convolution are missing.
    crops = ends[0].inputs[2]
    tensors[crops] = replace(tensors[crops], array=np.asarray([[9, 0], [9, 0]], np.int32))
    monkeypatch.setattr(from_tflite, "parse_tflite", lambda _: replace(file, tensors=tuple(tensors)))
    with pytest.raises(TfliteError) as raised:
        read_tflite(b"")
    assert "SPACE_TO_BATCH_ND" in raised.value.got
    assert raised.value.do


def test_float_operators_between_int8_ones_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    file = parse_tflite((FOLDER / "ai-edge-quantizer conv1d static_wi8_ai8.tflite").read_bytes())
    operators = [replace(o, name="L2_NORMALIZATION") if o.name == "EXPAND_DIMS" else o for o in file.operators]
    monkeypatch.setattr(from_tflite, "parse_tflite", lambda _: replace(file, operators=tuple(operators)))
    with pytest.raises(TfliteError) as raised:
        read_tflite(b"")
    assert "L2_NORMALIZATION" in raised.value.got


ROUNDED = {"s": np.float32(0.05), "z": np.int8(3), "t": np.float32(0.1)}


def quantised_dense(weights: NDArray[Any], scales: NDArray[Any], bias: dict[str, Any], *, read_bias: bool) -> bytes:
    """Return a QDQ model of one layer, whose weights have the zero point 0."""
    given = {**ROUNDED, "w": weights, "ws": scales, "wz": np.zeros(scales.shape, weights.dtype), **bias}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["a"]),
        node("DequantizeLinear", ["a", "s", "z"], ["b"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["v"], axis=0),
        *([node("DequantizeLinear", ["bq", "bs"], ["bias"], axis=0)] if read_bias else []),
        node("Gemm", ["b", "v", "bias"], ["c"], transB=1),
        node("QuantizeLinear", ["c", "t", "z"], ["d"]),
        node("DequantizeLinear", ["d", "t", "z"], ["y"]),
    ]
    return model(nodes, ["n", 6], constants=given)


@pytest.mark.parametrize("read_bias", [False, True])
@pytest.mark.parametrize("cleared", [True, False])
def test_a_channel_with_a_scale_of_0_is_its_bias(read_bias: bool, cleared: bool) -> None:
    rng = np.random.default_rng(2)
    weights, scales = rng.integers(-127, 128, (3, 6)).astype(np.int8), np.asarray([0.01, 0, 0.02], np.float32)
    if cleared:
        weights[1] = 0
    real = {"bias": np.asarray([0.5, -0.3, 1.0], np.float32)}
    stored_bias = {"bq": np.asarray([900, 77, -500], np.int32), "bs": scales * np.float32(0.05)}
    data = quantised_dense(weights, scales, stored_bias if read_bias else real, read_bias=read_bias)
    graph, x = read_model(data), rng.normal(size=(20, 6)).astype(np.float32)
    assert [o.kind for o in integer_network(graph).operators] == ["dense"]
    (theirs,) = answers(data, x)
    ours = compile_fused(graph)(x)["prediction"]
    # ONNX Runtime 1.31 gives 0 for such a channel with a real bias; the standard gives the bias.
    assert np.abs(ours - theirs)[:, [0, 2]].max() <= 0.1001
    np.testing.assert_allclose(ours[:, 1], 0 if read_bias else -0.3, atol=1e-6)


def test_only_weights_on_a_scale_of_0_give_the_bias_alone() -> None:
    weights, scales = np.full((3, 6), 5, np.int8), np.zeros(3, np.float32)
    real = {"bias": np.asarray([0.5, -0.3, 1.0], np.float32)}
    graph = read_model(quantised_dense(weights, scales, real, read_bias=False))
    given = compile_fused(graph)(np.ones((2, 6), np.float32))["prediction"]
    np.testing.assert_allclose(given, [[0.5, -0.3, 1.0]] * 2, atol=0.051)


def test_dynamic_layers_are_read_with_real_numbers() -> None:
    rng = np.random.default_rng(4)
    weights, zero = rng.integers(0, 256, (6, 3)).astype(np.uint8), np.uint8(117)
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        node("MatMulInteger", ["q", "w", "z", "wz"], ["i"]),
        node("Cast", ["i"], ["f"], to=1),
        node("Mul", ["s", "ws"], ["m"]),
        node("Mul", ["f", "m"], ["p"]),
        node("Add", ["p", "bias"], ["y"]),
    ]
    constants = {"w": weights, "wz": zero, "ws": np.float32(0.01), "bias": np.asarray([1, 2, 3], np.float32)}
    data, x = model(nodes, ["n", 6], constants=constants), rng.normal(size=(9, 6)).astype(np.float32)
    ours = compile_graph(read_model(data))(x)["prediction"]
    np.testing.assert_allclose(ours, x @ ((weights.astype(np.float32) - 117) * 0.01) + [1, 2, 3], rtol=1e-5, atol=1e-5)
    # ONNX Runtime rounds the rows of a call on one grid.
    assert np.abs(ours - answers(data, x)[0]).max() < 0.1


@pytest.mark.parametrize("name", ["MatMulInteger", "ConvInteger"])
def test_integer_layers_of_other_values_are_refused_by_name(name: str) -> None:
    nodes = [node("Cast", ["x"], ["u"], to=2), node(name, ["u", "w"], ["y"])]
    weights = np.ones((4, 2) if name == "MatMulInteger" else (2, 4, 3), np.uint8)
    shape = ["n", 4] if name == "MatMulInteger" else ["n", 4, 8]
    with pytest.raises(GraphError) as raised:
        read_model(model(nodes, shape, constants={"w": weights}))
    assert name in raised.value.where
