"""int8 files as other converters write them: every byte of LiteRT, a step from ONNX Runtime, every form of ours."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler
from edgewright.compression.weights import missing_integer_form
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import ExportError, InputError, TfliteDamagedError, TfliteError
from edgewright.core.integer.network import BYTES, obstacle, run_integer, to_reals
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.prediction.objects import load_module
from edgewright.core.records.network import IntegerNetwork
from edgewright.export.c99_host.host import load_c99
from edgewright.export.contract import Subject
from edgewright.export.targets import c99
from edgewright.export.targets.extension import build_extension
from edgewright.graph import from_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_file import Table, parse_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.onnx_writer import to_onnx
from foreign import model, node
from integer_layers import litert, need_litert, need_tflm, some, tflm, to_tflite

need_litert()
converter = pytest.importorskip("benchmarks.foreign_files.converter")
exporters = pytest.importorskip("benchmarks.foreign_files.exporters")
pytestmark = pytest.mark.numbers

SEED = 7
UNARY = {
    "hard_swish": "HARD_SWISH", "LeakyReLU": "LEAKY_RELU", "tanh": "TANH", "GELU": "GELU", "GELU by tanh": "GELU",
    "ELU": "ELU", "SiLU": "LOGISTIC", "Mish": "EXP",
}  # fmt: skip
# The resolver of reference kernels has no ELU: it is compared alone, with LiteRT's other kernels.
READ = tuple(name for name in converter.MODELS if name not in ("ELU", "PReLU"))


def inside(network: IntegerNetwork, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what the network of the graph of a file gives, which takes channels first."""
    graph = integer_network(network_graph(network))
    shape = graph.values[graph.input].shape
    given = x if shape == x.shape[1:] else x.reshape(len(x), *shape[1:], shape[0])
    return run_integer(graph, given if shape == x.shape[1:] else np.moveaxis(given, -1, 1))


@pytest.mark.parametrize("name", READ)
def test_every_byte_of_a_converted_model_is_that_of_litert(name: str) -> None:
    data = converter.MODELS[name](SEED).int8()
    network = read_tflite(data)
    x = some(network, np.random.default_rng(0), 20)
    ours = run_integer(network, x)
    assert len(np.unique(ours)) > 5
    np.testing.assert_array_equal(ours, litert(data, x).reshape(ours.shape))
    np.testing.assert_array_equal(inside(network, x).reshape(ours.shape), ours)
    # Written again, with a lookup where the file had an activation.
    np.testing.assert_array_equal(litert(to_tflite(network), x).reshape(ours.shape), ours)


@pytest.mark.parametrize("name", ["hard_swish", "SiLU", "squeeze and excitation"])
def test_tflm_looks_the_same_bytes_up(name: str) -> None:
    need_tflm()
    network = read_tflite(converter.MODELS[name](SEED).int8(), rounding="tflm")
    x = some(network, np.random.default_rng(1), 5)
    ours = run_integer(network, x)
    np.testing.assert_array_equal(tflm(to_tflite(network), x).reshape(ours.shape), ours)


@pytest.mark.parametrize("name", sorted(UNARY))
def test_a_function_of_a_byte_is_one_table(name: str) -> None:
    network = read_tflite(converter.MODELS[name](SEED).int8())
    assert [o.kind for o in network.operators] == ["conv", "table", "depthwise", "table", "mean", "reshape",
                                                   "dense", "softmax"]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", sorted(set(UNARY) - {"SiLU", "Mish"}))
def test_tables_are_those_of_litert_on_every_grid(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = converter.KerasModel((256,), seed)
    options = {"alpha": float(rng.uniform(0, 0.9))} if name == "LeakyReLU" else {}
    if "GELU" in name:
        options = {"approximate": name != "GELU"}
    model.unary(UNARY[name], **options)
    scale = float(np.float32(10 ** rng.uniform(-2.5, 0)))
    grids = {"input": (scale, int(rng.integers(-128, 128))), model.last: (scale * rng.uniform(0.9, 3), -100)}
    data = model.quantised({**grids, **({model.last: (1 / 128, 0)} if name == "tanh" else {})})
    network = read_tflite(data)
    theirs = litert(data, BYTES[None], reference=name != "ELU", delegates=False)
    np.testing.assert_array_equal(run_integer(network, BYTES[None]), theirs.reshape(1, -1))


FORMS = (
    ("QDQ", "QUInt8", False), ("QDQ", "QInt8", True), ("QOperator", "QUInt8", False), ("QOperator", "QInt8", True),
    "fake", "eager", "pt2e",
)  # fmt: skip


# Every form of one model, and every model in one form of each writer: the other pairs are slow.
PAIRS = [
    pytest.param(name, form, marks=[pytest.mark.slow] * (name != "branches" and form not in (FORMS[1], "pt2e")))
    for name in ("branches", "pools", "SiLU", "tanh", "MobileNetV2 block")
    for form in FORMS
]


@pytest.mark.parametrize(("name", "form"), PAIRS, ids=str)
def test_a_quantised_onnx_model_is_a_network_of_integers(name: str, form: str | tuple[str, str, bool]) -> None:
    plain = exporters.MODELS[name](SEED).file()
    if isinstance(form, str):
        data = exporters.by_pytorch(plain, form)
    else:
        data = exporters.by_onnxruntime(plain, form[0], form[1], per_channel=form[2])
    graph, x = read_model(data), exporters.rows(30)
    network = Subject("t", graph).integers
    assert network is not None
    theirs = open_session(data).run(None, {"x": x})[0]
    ours = compile_fused(graph)(x)["prediction"]
    step = network.values[network.output].scale
    # A mean is rounded twice where its grid is another one.
    largest, mean = (4.1, 1.0) if name == "pools" else (3.1, 0.5)
    assert np.abs(ours - theirs).max() <= largest * step and np.abs(ours - theirs).mean() < mean * step
    assert read_model(to_onnx(graph)).boundary == graph.boundary != ""


@pytest.mark.parametrize("name", ["ZeroPadding2D", "Conv1D", "hard_swish", "separable", "dense"])
def test_the_network_in_c_takes_bytes_in_the_order_of_the_file(name: str, tmp_path: Path) -> None:
    data = converter.MODELS[name](SEED).int8()
    network = read_tflite(data, "model")
    subject = Subject("model", network_graph(network), read=network)
    x = some(network, np.random.default_rng(3), 10)
    need_compiler()
    files = {file: text.decode() for file, text in c99.TARGET.files(subject).items()}
    model = load_c99({file: files[file] for file in ("model.h", "model.c")}, tmp_path)
    np.testing.assert_array_equal(model.network(x), litert(data, x).reshape(len(x), -1))
    answer = model.predict(to_reals(network.values[network.input], x)).outputs
    raw = to_reals(network.values[network.output], litert(data, x).reshape(len(x), -1))
    np.testing.assert_allclose(answer["prediction" if name == "dense" else "probabilities"], raw, atol=1e-6)


@pytest.mark.parametrize("change", ["MUL", "twice", "left out", "RELU"])
def test_a_table_is_read_only_behind_one_sum_with_128(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = parse_tflite(to_tflite(read_tflite(converter.MODELS["hard_swish"](SEED).int8())))
    cast, add, gather = (next(o for o in file.operators if o.name == name) for name in ("CAST", "ADD", "GATHER"))
    changed = {
        "MUL": {add: replace(add, name="MUL")},
        "twice": {gather: replace(add, inputs=(add.outputs[0], add.inputs[1]), outputs=gather.outputs)},
        "left out": {gather: replace(gather, inputs=(gather.inputs[0], cast.outputs[0]))},
        "RELU": {add: replace(add, options=activated())},
    }[change]
    operators = tuple(changed.get(operator, operator) for operator in file.operators)
    monkeypatch.setattr(from_tflite, "parse_tflite", lambda _: replace(file, operators=operators))
    with pytest.raises(InputError, match=r"one ADD of 128|to which 128 is added"):
        read_tflite(b"")


def activated() -> Table | None:
    """Return the options of an ADD with RELU."""
    model = converter.KerasModel((6,), SEED)
    x = model.dense(4)
    model.add("ADD", (x, model.dense(4)), (1, 4), fusedActivationFunction=1)
    return next(o.options for o in parse_tflite(model.int8()).operators if o.name == "ADD")


def test_shapes_that_do_not_go_together_are_refused() -> None:
    model = converter.KerasModel((6, 6, 3), SEED)
    x = model.conv(4)
    model.add("MUL", (x, model.constant(np.ones((6, 1, 1), np.float32))), (1, 6, 6, 4), fusedActivationFunction=0)
    with pytest.raises(TfliteError) as raised:
        read_tflite(model.int8())
    assert raised.value.where == "MUL"


@pytest.mark.parametrize("name", ["SiLU", "Mish", "GELU", "Hardswish", "ELU", "LeakyReLU"])
def test_a_refusal_names_what_the_user_wrote(name: str) -> None:
    graph = read_model(exporters.MODELS[name](SEED).file())
    word = {"Hardswish": "HardSwish", "ELU": "Elu", "LeakyReLU": "LeakyRelu"}.get(name, name)
    reasons = [missing_integer_form(graph), obstacle(graph), obstacle(read_model(to_onnx(graph)))]
    with pytest.raises(ExportError) as caught:
        _ = Subject("t", graph).network
    for reason in (*reasons, str(caught.value)):
        assert f"{word} (gives '/layers/" in reason and "Mul (" not in reason and "Exp (" not in reason


def test_what_follows_the_network_stays_float() -> None:
    """Two classes: the probability of the second, and what is left of it, joined."""
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["a"]), node("DequantizeLinear", ["a", "s", "z"], ["b"]),
        node("DequantizeLinear", ["w", "s", "z"], ["v"]), node("Gemm", ["b", "v"], ["c"]),
        node("QuantizeLinear", ["c", "s", "z"], ["d"]), node("DequantizeLinear", ["d", "s", "z"], ["e"]),
        node("Sigmoid", ["e"], ["f"]), node("Sub", ["one", "f"], ["g"]), node("Concat", ["f", "g"], ["y"], axis=1),
    ]  # fmt: skip
    constants = {"s": np.float32(0.05), "z": np.int8(0), "w": np.ones((3, 1), np.int8), "one": np.float32(1)}
    network = integer_network(read_model(model(nodes, ["n", 3], constants=constants)))
    assert [operator.kind for operator in network.operators] == ["dense"]


def test_the_last_bytes_of_a_sum_are_right_in_the_extension(tmp_path: Path) -> None:
    """A sum of 288 bytes: what is left of the last vector is half of one."""
    graph = read_model(exporters.by_pytorch(exporters.MODELS["MobileNetV2 block"](5).file(), "eager"))
    network = integer_network(graph)
    x = some(network, np.random.default_rng(0), 50)
    wanted = run_integer(network, x)
    module = load_module(build_extension(graph, cache=tmp_path))
    np.testing.assert_array_equal(np.frombuffer(module.network(x), np.int8).reshape(wanted.shape), wanted)


def test_a_list_of_numbers_ends_within_the_file() -> None:
    table = struct.pack("<4x 3H 2x i 2I", 6, 8, 4, 8, 4, 5)  # its sizes, where it has them, and a list of five
    data = table + np.arange(5, dtype="<i8").tobytes()
    assert Table(memoryview(data), 12).numbers(0, "<i8").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(TfliteDamagedError, match="a list ends after the file"):
        Table(memoryview(data[:-1]), 12).numbers(0, "<i8")
