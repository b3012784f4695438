"""Models of .tflite: every byte that LiteRT gives, and refusals in one line."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import ClassNamesMissingError, TfliteDamagedError, TfliteError
from edgewright.core.integer.network import run_integer, to_integers, to_reals, with_rounding
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.graph.extract import float_network, integer_network
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.onnx_writer import to_onnx
from foreign import answers
from integer_layers import LAYERS, litert, need_litert, need_tflm, some, tflm, to_tflite
from integer_networks import picture, small
from support import shared_data

pytestmark = pytest.mark.numbers

INT8 = (
    "ad01_int8",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "str_ww_ref_model",
    pytest.param("vww_96_int8", marks=pytest.mark.slow),
)
FLOAT = ("ad01_fp32", "pretrainedResnet", pytest.param("vww_96_float", marks=pytest.mark.slow))


def file(name: str) -> Path:
    return shared_data("mlperf-tiny") / "models" / f"{name}.tflite"


def answer(graph: Graph) -> str:
    return "probabilities" if graph.labels else "prediction"


@pytest.mark.needs_data
@pytest.mark.parametrize("name", INT8)
def test_the_int8_models_of_mlperf_tiny_give_every_byte_of_litert(name: str) -> None:
    need_litert()
    network = read_tflite(file(name))
    x = some(network, np.random.default_rng(2), 3)
    ours = run_integer(network, x)
    np.testing.assert_array_equal(ours, litert(file(name).read_bytes(), x).reshape(ours.shape))
    # As a graph, and read back from the graph with the channels first.
    graph = network_graph(network)
    back = integer_network(graph)
    turned = np.moveaxis(x, -1, 1) if x.ndim == 4 else x
    np.testing.assert_array_equal(run_integer(back, turned).reshape(ours.shape), ours)
    assert len(graph.labels) == (0 if name == "ad01_int8" else ours.shape[1])


@pytest.mark.needs_data
@pytest.mark.parametrize("name", INT8)
def test_the_int8_models_of_mlperf_tiny_give_every_byte_of_tflm(name: str) -> None:
    need_tflm()
    network = read_tflite(file(name), rounding="tflm")
    x = some(network, np.random.default_rng(3), 2)
    ours = run_integer(network, x)
    np.testing.assert_array_equal(ours, tflm(file(name).read_bytes(), x).reshape(ours.shape))


@pytest.mark.needs_data
@pytest.mark.parametrize("name", FLOAT)
def test_the_float_models_of_mlperf_tiny_answer_as_litert(name: str) -> None:
    need_litert()
    graph = network_graph(read_tflite(file(name)))
    shape = graph.inputs[0].shape
    x = np.random.default_rng(4).uniform(0, 1, (3, *shape)).astype(np.float32)
    x *= 255 if name == "pretrainedResnet" else 1
    theirs = litert(file(name).read_bytes(), x)
    ours = compile_graph(graph)(x)[answer(graph)].reshape(theirs.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    key = [value.name for value in graph.outputs].index(answer(graph))
    np.testing.assert_allclose(answers(to_onnx(graph), x)[key].reshape(theirs.shape), theirs, rtol=1e-5, atol=1e-5)
    # The network after the boundary is there for compression and for C.
    assert len(float_network(graph).operators) >= len(read_tflite(file(name)).operators) - 1


@pytest.mark.needs_data
def test_bytes_as_weights_of_a_float_model_are_the_numbers_they_stand_for() -> None:
    """LiteRT rounds what such a layer receives while it runs; its own two paths differ by up to 0.15 here."""
    need_litert()
    path = file("kws_ref_model_float32")
    kept = np.load(shared_data("mlperf-tiny") / "kws01" / "kws01.npz")
    x = ((kept["x"][:60].astype(np.float32) - 83) * np.float32(0.5847))[..., None]
    graph = network_graph(read_tflite(path, "kws"))
    ours = compile_graph(graph)(x)
    theirs = litert(path.read_bytes(), x)
    assert (ours["label"] != theirs.argmax(axis=1)).sum() <= 1
    assert np.median(np.abs(ours["probabilities"] - theirs).max(axis=1)) < 2e-3
    assert (ours["label"] == kept["y"][:60]).mean() > 0.85


@pytest.mark.parametrize("kind", sorted(set(LAYERS) - {"gru"}))
def test_what_our_writer_writes_is_read_back(kind: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(4):
        network = LAYERS[kind](rng)
        prepared = with_rounding(network, "litert")
        back = read_tflite(to_tflite(prepared))
        x = some(network, rng, 5)
        expected = run_integer(prepared, x)
        np.testing.assert_array_equal(run_integer(back, x).reshape(expected.shape), expected)


def test_a_gru_written_out_sample_by_sample_is_not_read_back() -> None:
    network = with_rounding(LAYERS["gru"](np.random.default_rng(5)), "litert")
    with pytest.raises(TfliteError, match=r"operators that are known .* got SPLIT .* A GRU that is written out"):
        read_tflite(to_tflite(network))


@cache
def networks() -> dict[str, IntegerNetwork]:
    return {
        "int8": integer_network(small("picture")),
        "float": float_network(picture()),
    }


def test_float_networks_come_back_with_the_same_answers() -> None:
    network = networks()["float"]
    data = to_tflite(network)
    back = read_tflite(data, "again")
    assert back.rounding == "none"
    # A padding that .tflite has no word for became an operator of its own.
    kinds = [operator.kind for operator in back.operators if operator.kind != "pad"]
    assert kinds == [operator.kind for operator in network.operators]
    graph = network_graph(back)
    x = np.random.default_rng(6).normal(size=(4, *network.values[0].shape)).astype(np.float32)
    if len(network.values[0].shape) == 2:
        assert graph.inputs[0].shape == network.values[0].shape
    theirs = litert(data, x)
    np.testing.assert_allclose(compile_graph(graph)(x)[answer(graph)], theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "float"])
def test_convolutions_without_a_bias_run_in_both_paths_of_litert(kind: str) -> None:
    network = networks()[kind]
    bare = tuple(
        msgspec.structs.replace(o, arrays={k: v for k, v in o.arrays.items() if k != "bias"})
        if o.kind in ("conv", "depthwise")
        else o
        for o in network.operators
    )
    network = msgspec.structs.replace(network, operators=bare)
    data = to_tflite(network if kind == "float" else with_rounding(network, "litert"))
    shape = network.values[network.input].shape
    x = np.random.default_rng(8).normal(size=(3, *shape)) * (40 if kind == "int8" else 1)
    rows = np.clip(x, -128, 127).astype(np.int8 if kind == "int8" else np.float32)
    differences = litert(data, rows).astype(np.float64) - litert(data, rows, reference=False)
    assert np.abs(differences).max() <= (2 if kind == "int8" else 1e-5)


def test_float_ends_of_an_int8_model_are_left_to_the_caller() -> None:
    network = networks()["int8"]
    back = read_tflite(to_tflite(network, float_ends=True))
    assert back.values[back.input] == network.values[network.input]
    x = some(network, np.random.default_rng(7), 4)
    np.testing.assert_array_equal(run_integer(back, x), run_integer(network, x))
    graph = network_graph(back)
    near = compile_graph(graph)(to_reals(network.values[0], x))[answer(graph)]
    steps = to_integers(network.values[network.output], near).astype(int) - run_integer(network, x)
    assert np.abs(steps).max() <= 3


def test_names_of_classes_are_taken() -> None:
    network = networks()["float"]
    width = network.values[network.output].shape[0]
    names = tuple("abcdefgh"[:width])
    assert network_graph(network, labels=names).labels == names
    with pytest.raises(ClassNamesMissingError, match=f"expected {width} names of classes, got 1"):
        network_graph(network, labels=("a",))


def test_odd_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TfliteDamagedError, match="No such file or directory"):
        read_tflite(tmp_path / "none.tflite")
    for data in (b"", b"TFL3", b"\0" * 40, b"\x1c\0\0\0TFL3" + b"\xff" * 60):
        with pytest.raises(TfliteDamagedError, match=r"a \.tflite file, got bytes in which"):
            read_tflite(data)


@pytest.mark.needs_data
def test_unknown_operators_are_named_with_what_they_give() -> None:
    path = shared_data("mlperf-tiny") / "micro_speech" / "audio_preprocessor_float.tflite"
    with pytest.raises(TfliteError, match=r"got CUSTOM SignalWindow \(gives 'signal_window'\); CUSTOM") as caught:
        read_tflite(path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_numbers_are_named() -> None:
    network = networks()["float"]
    index = next(i for i, operator in enumerate(network.operators) if "weights" in operator.arrays)
    one = network.operators[index]
    bad = one.arrays["weights"].copy()
    bad.ravel()[0] = np.nan
    spoiled = msgspec.structs.replace(one, arrays={**one.arrays, "weights": bad})
    operators = (*network.operators[:index], spoiled, *network.operators[index + 1 :])
    data = to_tflite(msgspec.structs.replace(network, operators=operators))
    with pytest.raises(TfliteError, match=r"weights that are numbers, got 1 that are not \(NaN or infinite\)"):
        read_tflite(data)
