"""The engine over ONNX Runtime: integer layers stay integers, and no processor makes other numbers of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from edgewright.compression.int8 import quantise
from edgewright.core.engines import get
from edgewright.core.engines import onnxruntime as engine
from edgewright.core.errors import EngineFailedError, MissingExtraError
from edgewright.core.integer.network import to_reals
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Value
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.onnx_writer import to_onnx
from foreign import model, node, signed
from integer_networks import picture, samples_of, trained
from processors import PROCESSORS, on_processor
from support import shared_data

pytestmark = pytest.mark.numbers

NAMES = ("dense", "pools", "picture")
# What is left of layers that ONNX Runtime does not take as integers.
_FLOAT_LAYERS = {"Gemm", "MatMul", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Clip"}
_EMULATED = """
import sys
import numpy as np
from edgewright.core.engines import get
from edgewright.core.engines.onnxruntime import load_plain
model, x, raw, out = sys.argv[1:]
data = open(model, "rb").read()
np.savez(out, plain=load_plain(data)(np.load(x))[raw], engine=get("onnxruntime").load(data)(np.load(x))[raw])
"""


@cache
def small(name: str) -> tuple[Graph, str]:
    """Return an int8 graph that gives its raw outputs as well, and their name."""
    graph = picture() if name == "picture" else trained(name)
    quantised = quantise(graph, samples_of(graph))
    raw = [node.outputs[0] for node in quantised.nodes if node.op == "DequantizeLinear"][-1]
    if raw in {value.name for value in quantised.outputs}:
        return quantised, raw
    width = compile_graph(quantised, (raw,))(samples_of(graph)[:1])[raw].shape[1:]
    return msgspec.structs.replace(quantised, outputs=(*quantised.outputs, Value(name=raw, shape=width))), raw


def steps_apart(graph: Graph, raw: str, got: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many steps of the raw outputs an answer is away from that of the base install."""
    last = next(node for node in graph.nodes if node.outputs[0] == raw)
    return np.asarray(np.abs(got - compile_graph(graph)(x)[raw]) / graph.constants[last.inputs[1]], np.float32)


@pytest.mark.parametrize("entry", [None, ("session.x64quantprecision", "1")])
@pytest.mark.parametrize("name", ["dense", "pools"])
def test_layers_are_taken_in_as_integers(name: str, entry: tuple[str, str] | None, tmp_path: Path) -> None:
    graph = trained(name)
    options = engine._options(1, entry)
    options.optimized_model_filepath = str(tmp_path / "joined.onnx")
    for per_channel in ("never", "always"):
        model = to_onnx(quantise(graph, samples_of(graph), per_channel=per_channel))
        engine._opened(model, options, "")
        ops = [node.op_type for node in onnx.load(tmp_path / "joined.onnx").graph.node]
        assert not _FLOAT_LAYERS.intersection(ops), ops
        assert {"QGemm", "QLinearConv"}.intersection(ops) and ops.count("QuantizeLinear") == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("saturating", [True, False])
def test_answers_are_within_one_step_of_the_base_install(
    name: str, saturating: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: saturating)
    graph, raw = small(name)
    x = samples_of(graph)
    steps = steps_apart(graph, raw, get("onnxruntime").load(to_onnx(graph))(x)[raw], x)
    assert steps.max() < 1.01 and np.mean(steps > 0.5) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_default_options_give_what_the_engine_gives(name: str) -> None:
    graph, _ = small(name)
    x, model = samples_of(graph), to_onnx(graph)
    ours, plain = get("onnxruntime").load(model)(x), engine.load_plain(model)(x)
    assert all(np.array_equal(ours[key], plain[key]) for key in ours)


@pytest.mark.parametrize("name", NAMES)
def test_signed_bytes_of_older_files_are_exact_where_products_saturate(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    graph, raw = small(name)
    x = samples_of(graph)
    steps = steps_apart(graph, raw, get("onnxruntime").load(signed(to_onnx(graph)))(x)[raw], x)
    assert steps.max() < 1.01 and np.mean(steps > 0.5) < 0.01


def test_weights_that_share_a_zero_point_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    graph, raw = small("dense")
    model = onnx.load_from_string(signed(to_onnx(graph)))
    bytes_of = {i.name for i in model.graph.initializer if i.data_type == onnx.TensorProto.INT8}
    zeros = [n.input[2] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in bytes_of]
    assert len(zeros) > len(set(zeros))
    x = samples_of(graph)
    assert steps_apart(graph, raw, get("onnxruntime").load(model.SerializeToString())(x)[raw], x).max() < 1.01


def test_scales_a_channel_without_zero_points_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    graph = quantise(trained("dense"), samples_of(trained("dense")), per_channel="always")
    model = onnx.load_from_string(signed(to_onnx(graph)))
    constants = {i.name for i in model.graph.initializer}
    without = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in constants]
    for one in without:
        if len(one.input) == 3:
            del one.input[2]
    x = samples_of(trained("dense"))
    got = get("onnxruntime").load(model.SerializeToString())(x)
    assert np.mean(np.abs(got["probabilities"] - compile_graph(graph)(x)["probabilities"]) < 1e-5) > 0.98


def test_a_model_that_takes_no_zeros_keeps_exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its open axes cannot have the length 1 that is tried; that says nothing about its products."""
    monkeypatch.setattr(engine, "saturates", lambda: True)
    constants = {"w": np.full((1, 1, 5), 3, np.float32)}
    convolution = model([node("Conv", ["x", "w"], ["y"])], ["n", 1, "length"], constants=constants)
    opened: list[str] = []
    plain = engine._options

    def options(threads: int, entry: tuple[str, str] | None = None, *, quiet: bool = False) -> Any:  # noqa: ANN401
        opened.append(entry[0] if entry else "")
        return plain(threads, entry, quiet=quiet)

    monkeypatch.setattr(engine, "_options", options)
    session = engine.open_session(convolution)
    assert opened == ["session.x64quantprecision", "session.disable_quant_qdq"]
    assert session.get_session_options().get_session_config_entry("session.x64quantprecision") == "1"
    assert session.run(None, {"x": np.ones((1, 1, 6), np.float32)})[0].tolist() == [[[15, 15]]]


def test_a_model_with_several_inputs_is_opened_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    ids = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["n", "k"]) for name in ("ids", "mask")]
    sums = helper.make_tensor_value_info("y", onnx.TensorProto.INT64, ["n", "k"])
    body = helper.make_graph([node("Add", ["ids", "mask"], ["y"])], "two", ids, [sums])
    onnx_model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    two = np.full((1, 3), 2, np.int64)
    assert engine.open_session(onnx_model).run(None, {"ids": two, "mask": two})[0].tolist() == [[4, 4, 4]]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "is_installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"edgewright\[engines\]"):
        engine.open_session(b"")


def test_what_cannot_be_run_is_told_in_one_line() -> None:
    with pytest.raises(EngineFailedError) as caught:
        get("onnxruntime").load(b"no model")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("name", ["dense", "picture"])
def test_other_processors_give_the_same(name: str, processor: str, tmp_path: Path) -> None:
    """With AVX2 and no VNNI, and with neither; default options as well as the engine's own."""
    graph, raw = small(name)
    # All bytes near their ends: that is where pairs of products do not fit into 16 bits.
    x = np.sign(samples_of(graph)) * np.float32(9)
    steps = emulated(to_onnx(graph), x, raw, processor, tmp_path)
    assert all(steps_apart(graph, raw, got, x).max() < 1.01 for got in steps.values())
    np.testing.assert_array_equal(steps["plain"], engine.load_plain(to_onnx(graph))(x)[raw])


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_keyword_model_of_mlperf_tiny_flips_no_label_there(tmp_path: Path) -> None:
    """Its signed form keeps one label in ten on a processor with AVX2 and no VNNI."""
    network = read_tflite(shared_data("mlperf-tiny") / "models" / "kws_ref_model.tflite")
    value, given = network.values[network.input], np.load(shared_data("mlperf-tiny") / "kws01" / "kws01.npz")["x"][:100]
    x, onnx_model = to_reals(value, given.reshape(-1, *value.shape)), to_onnx(network_graph(network))
    here = engine.load_plain(onnx_model)(x)["label"]
    labels = emulated(onnx_model, x, "label", "Haswell", tmp_path)
    assert np.array_equal(labels["plain"], here) and np.array_equal(labels["engine"], here)
    assert np.mean(emulated(signed(onnx_model), x, "label", "Haswell", tmp_path)["plain"] != here) > 0.5


@pytest.mark.slow
def test_signed_weights_saturate_there_with_default_options(tmp_path: Path) -> None:
    """Older files show that the emulator saturates, without which the test above would prove nothing."""
    graph, raw = small("picture")
    x = np.sign(samples_of(graph)) * np.float32(9)
    steps = emulated(signed(to_onnx(graph)), x, raw, "Haswell", tmp_path)
    assert steps_apart(graph, raw, steps["plain"], x).max() > 3
    assert steps_apart(graph, raw, steps["engine"], x).max() < 1.01


def emulated(
    model: bytes, x: NDArray[np.float32], raw: str, processor: str, folder: Path
) -> dict[str, NDArray[np.float32]]:
    """Return what ONNX Runtime answers on another processor, by the options."""
    (folder / "model.onnx").write_bytes(model)
    np.save(folder / "x.npy", x)
    names = [str(folder / "model.onnx"), str(folder / "x.npy"), raw, str(folder / "made.npz")]
    on_processor(processor, _EMULATED, *names)
    with np.load(folder / "made.npz") as arrays:
        return dict(arrays)
