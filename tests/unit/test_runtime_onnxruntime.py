"""The engine over ONNX Runtime: integer layers stay integers, and no processor makes other numbers of them."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from edgewright.compression.int8 import quantise
from edgewright.graph.onnx_writer import to_onnx
from edgewright.runtime.engines import get
from edgewright.runtime.engines import onnxruntime as engine
from edgewright.runtime.executor import compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Value
from integer_networks import picture, samples_of, trained
from support import left_out

NAMES = ("dense", "pools", "picture")
# What is left of layers that ONNX Runtime does not take as integers.
_APART = {"Gemm", "MatMul", "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Clip"}
# The emulator shows the flags of the machine it runs on.
_EMULATED = """
import sys
import numpy as np
from edgewright.runtime.engines import get, onnxruntime
onnxruntime.cpu_features = lambda: frozenset({"avx2"})
np.save(sys.argv[2], get("onnxruntime").load(open(sys.argv[1], "rb").read())(np.load(sys.argv[3]))[sys.argv[4]])
"""


@cache
def small(name: str) -> tuple[Graph, str]:
    """An int8 graph that gives its raw outputs as well, and their name."""
    graph = picture() if name == "picture" else trained(name)
    made = quantise(graph, samples_of(graph))
    raw = [node.outputs[0] for node in made.nodes if node.op == "DequantizeLinear"][-1]
    if raw in {value.name for value in made.outputs}:
        return made, raw
    width = compile_graph(made, (raw,))(samples_of(graph)[:1])[raw].shape[1:]
    return msgspec.structs.replace(made, outputs=(*made.outputs, Value(name=raw, shape=width))), raw


def steps_apart(graph: Graph, raw: str, got: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many steps of the raw outputs an answer is away from that of the base install."""
    last = next(node for node in graph.nodes if node.outputs[0] == raw)
    return np.asarray(np.abs(got - compile_graph(graph)(x)[raw]) / graph.constants[last.inputs[1]], np.float32)


@pytest.mark.parametrize("entry", [None, ("session.x64quantprecision", "1")])
@pytest.mark.parametrize("name", ["dense", "pools"])
def test_layers_are_taken_in_as_integers(name: str, entry: tuple[str, str] | None, tmp_path: Path) -> None:
    graph = trained(name)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "joined.onnx")
    options.log_severity_level = 3
    if entry:
        options.add_session_config_entry(*entry)
    for per_channel in ("never", "always"):
        model = to_onnx(quantise(graph, samples_of(graph), per_channel=per_channel))
        onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        ops = [node.op_type for node in onnx.load(tmp_path / "joined.onnx").graph.node]
        assert not _APART.intersection(ops), ops
        assert {"QGemm", "QLinearConv"}.intersection(ops) and ops.count("QuantizeLinear") == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("features", [frozenset({"avx2"}), frozenset({"avx2", "avx512_vnni"})])
def test_answers_are_within_one_step_of_the_base_install(
    name: str, features: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "cpu_features", lambda: features)
    graph, raw = small(name)
    x = samples_of(graph)
    steps = steps_apart(graph, raw, get("onnxruntime").load(to_onnx(graph))(x)[raw], x)
    assert steps.max() < 1.01 and np.mean(steps > 0.5) < 0.01


def test_weights_that_share_a_zero_point_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    graph, raw = small("dense")
    model = onnx.load_from_string(to_onnx(graph))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((), np.int8), "none"))
    bytes_of = {i.name for i in model.graph.initializer if i.data_type == onnx.TensorProto.INT8}
    shared = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in bytes_of]
    for node in shared:
        node.input[2] = "none"
    assert len(shared) > 1
    x = samples_of(graph)
    assert steps_apart(graph, raw, get("onnxruntime").load(model.SerializeToString())(x)[raw], x).max() < 1.01


def test_scales_a_channel_without_zero_points_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "saturates", lambda: True)
    graph = quantise(trained("dense"), samples_of(trained("dense")), per_channel="always")
    model = onnx.load_from_string(to_onnx(graph))
    for node in model.graph.node:
        if (
            node.op_type == "DequantizeLinear"
            and len(node.input) == 3
            and len(node.input[2])
            and node.input[0] in {i.name for i in model.graph.initializer}
        ):
            del node.input[2]
    x = samples_of(trained("dense"))
    got = get("onnxruntime").load(model.SerializeToString())(x)
    assert np.mean(np.abs(got["probabilities"] - compile_graph(graph)(x)["probabilities"]) < 1e-5) > 0.98


def test_what_cannot_be_run_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="a model that ONNX Runtime can run") as caught:
        get("onnxruntime").load(b"no model")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_processor_without_vnni_gives_the_same(tmp_path: Path) -> None:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None or platform.machine() != "x86_64":
        left_out("no qemu-x86_64 (Debian: qemu-user) on an x86-64 machine")
        return
    graph, raw = small("picture")
    # All bytes near their ends: that is where pairs of products do not fit into 16 bits.
    x = np.sign(samples_of(graph)) * np.float32(9)
    (tmp_path / "model.onnx").write_bytes(to_onnx(graph))
    np.save(tmp_path / "x.npy", x)
    names = [str(tmp_path / name) for name in ("model.onnx", "raw.npy", "x.npy")]
    command = [emulator, "-cpu", "Haswell", sys.executable, "-c", _EMULATED, *names, raw]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert steps_apart(graph, raw, np.load(tmp_path / "raw.npy"), x).max() < 1.01
