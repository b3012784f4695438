"""Files that were changed at random, structure and all: read and run, or refused in one line, within time and memory.

Every kind gets a bounded time; the seed is fixed, so that a failure can be repeated: the message names its number.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgewright.core.errors import EdgewrightError, GraphError, OnnxDamagedError, OnnxError, TfliteError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.predictor import Predictor
from edgewright.export.contract import Subject
from edgewright.export.targets import c99, tflite
from edgewright.export.targets import onnx as to_onnx_file
from edgewright.export.targets.tflite import to_tflite
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model
from edgewright.graph.from_tflite import read_tflite
from edgewright.graph.from_tflite_graph import network_graph
from edgewright.graph.onnx_writer import to_onnx
from foreign import MODELS, NAMES, model, node
from integer_networks import small
from mutations import changed_bytes, changed_onnx, changed_package, changed_tflite, packed, tables
from runtime_example import classifier, parts

# Files a kind gets at least; time it gets, and one file; memory that all of them together may take more than before.
MIN_FILES, SECONDS, SLOWEST, MEGABYTES = 40, 2.0, 20.0, 1500
_ONNX = [(MODELS / f"{name}.onnx").read_bytes() for name in NAMES]
Try = Callable[[bytes, random.Random], None]


def foreign_model(data: bytes, rng: random.Random) -> None:
    graph = read_model(data, "m")
    compile_graph(graph)(np.zeros((2, *graph.inputs[0].shape), graph.inputs[0].dtype))
    target = rng.choice((to_onnx_file, c99, tflite)).TARGET
    target.files(Subject("m", graph))


def own_model(data: bytes, rng: random.Random) -> None:
    graph = read_onnx(data)
    shape = tuple(n if 0 < n < 100 else 1 for n in graph.inputs[0].shape) if graph.inputs else ()
    compile_graph(graph)(np.zeros((1, *shape), np.float32))


def tflite_file(data: bytes, rng: random.Random) -> None:
    network = read_tflite(data, "m", rounding=rng.choice(("litert", "tflm")))
    graph = network_graph(network)
    compile_graph(graph)(np.zeros((1, *graph.inputs[0].shape), np.float32))
    subject = Subject("m", graph, read=network)
    rng.choice((tflite, c99)).TARGET.files(subject)


def package(data: bytes, rng: random.Random) -> None:
    read = parse_package(data, "package")
    for form in read.manifest.forms:
        Predictor(read, form=form, engine="numpy").predict(np.zeros((2, *read.manifest.shape), np.float32))


def onnx_files(rng: random.Random) -> bytes:
    data = rng.choice(_ONNX)
    return changed_onnx(data, rng) if rng.random() < 0.8 else changed_bytes(data, rng)


def own_files(rng: random.Random) -> bytes:
    data = to_onnx(classifier((4, 5, 3)))
    return changed_onnx(data, rng) if rng.random() < 0.8 else changed_bytes(data, rng)


def tflite_files(rng: random.Random) -> bytes:
    data = rng.choice(_tflite())
    return changed_tflite(tables(data), rng) if rng.random() < 0.8 else changed_bytes(data, rng)


def package_files(rng: random.Random) -> bytes:
    data = package_bytes(*parts())
    return changed_package(data, rng) if rng.random() < 0.8 else changed_bytes(data, rng)


@cache
def _tflite() -> tuple[bytes, bytes]:
    return to_tflite(integer_network(small("dense"))), to_tflite(integer_network(small("picture")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "read"),
    [(onnx_files, foreign_model), (own_files, own_model), (tflite_files, tflite_file), (package_files, package)],
    ids=["onnx", "own onnx", "tflite", "package"],
)
def test_changed_files_are_read_or_refused_in_one_line(make: Callable[[random.Random], bytes], read: Try) -> None:
    ends, number, outcomes = time.perf_counter() + SECONDS, 0, {"read": 0, "refused": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while number < MIN_FILES or time.perf_counter() < ends:
        rng = random.Random(number)  # noqa: S311 - repeatable
        data, started = make(rng), time.perf_counter()
        try:
            read(data, rng)
            outcomes["read"] += 1
        except EdgewrightError as error:
            outcomes["refused"] += 1
            assert "\n" not in str(error) and len(str(error)) < 1000, f"number {number}: {error}"
        except Exception as error:
            raise AssertionError(f"number {number}: {type(error).__name__}") from error
        assert time.perf_counter() - started < SLOWEST, f"number {number} took too long"
        number += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES << 10
    # Changes that nobody can see reach no depth, and a reader that refuses all of them is no reader.
    assert min(outcomes.values()) > 0, outcomes


def test_trees_with_answers_without_end_take_no_memory() -> None:
    forest = onnx.load_from_string((MODELS / "sklearn-tree-regressor.onnx").read_bytes())
    trees = next(one for one in forest.graph.node if one.op_type == "TreeEnsembleRegressor")
    next(one for one in trees.attribute if one.name == "n_targets").i = 2**31 - 1
    with pytest.raises(GraphError, match="trees with answers of sensible size, got 2147483647 a leaf"):
        read_model(forest.SerializeToString())


def test_a_name_of_an_operator_cannot_break_the_line() -> None:
    with pytest.raises(OnnxError) as caught:
        read_model(model([node("Re\nlu", ["x"], ["y"])], ["n", 3]))
    assert "\n" not in str(caught.value)


def test_nodes_in_a_ring_end_the_search_for_labels() -> None:
    ring = [node("Cast", ["b"], ["a"], to=1), node("Identity", ["a"], ["b"]), node("Relu", ["x"], ["y"])]
    with pytest.raises(GraphError):
        read_model(model(ring, ["n", 3], outputs=("a", "y")))


def test_a_huge_batch_is_refused_before_it_is_made() -> None:
    with pytest.raises(GraphError, match="10000000 at once"):
        read_model(model([node("Relu", ["x"], ["y"])], [10_000_000, 60]))


def test_messages_count_instead_of_listing() -> None:
    cut = node("Slice", ["x", "s", "e"], ["y"])
    constants = {"s": np.zeros(3000, np.int64), "e": np.ones(2, np.int64)}
    with pytest.raises(OnnxError, match="got 3000, 2, 3000, 3000") as caught:
        read_model(model([cut], ["n", 4], constants=constants))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("constant", ["w", "b"])
def test_infinite_weights_are_refused_and_infinite_bounds_are_not(value: float, constant: str) -> None:
    constants = {"w": np.ones((4, 3), np.float32), "b": np.ones(3, np.float32)}
    constants[constant].ravel()[1] = value
    with pytest.raises(OnnxError, match="1 that are infinite - at model g, operator Gemm"):
        read_model(model([node("Gemm", ["x", "w", "b"], ["y"])], ["n", 4], constants=constants), "g")
    bounds = {"low": np.float32(-np.inf), "high": np.float32(6)}
    assert read_model(model([node("Clip", ["x", "low", "high"], ["y"])], ["n", 4], constants=bounds)).nodes


def test_a_length_of_outside_constants_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    given = onnx.load_from_string(
        model([node("Gemm", ["x", "w"], ["y"])], ["n", 4], constants={"w": np.ones((4, 3), np.float32)})
    )
    onnx.save(given, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    outside = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for entry in outside.graph.initializer[0].external_data:
        entry.value = "999999999999" if entry.key == "length" else entry.value
    (tmp_path / "far.onnx").write_bytes(outside.SerializeToString())
    assert read_model(tmp_path / "far.onnx").nodes
    (tmp_path / "m.data").write_bytes(b"short")
    with pytest.raises(OnnxDamagedError):
        read_model(tmp_path / "far.onnx")


def test_what_onnx_does_not_allow_is_no_traceback() -> None:
    weights = {"w": np.ones((2, 3, 3), np.int64)}
    layers = [node("Conv", ["x", "w"], ["a"]), node("Cast", ["a"], ["y"], to=1)]
    with pytest.raises(OnnxError, match="expected a graph that ONNX allows") as caught:
        to_onnx(read_model(model(layers, ["n", 3, 9], constants=weights)))
    assert "\n" not in str(caught.value)
    double = model([node("Mul", ["x", "w"], ["y"])], ["n", 4], constants={"w": np.ones(4, np.float64)})
    with pytest.raises(OnnxError, match="got float64 - at input or output 'prediction'"):
        to_onnx(read_model(double))


def test_tensors_that_share_a_buffer_share_its_memory() -> None:
    model = tables(_tflite()[0])
    graph = model.subgraphs[0]
    weights = next(t for t in graph.tensors if model.buffers[t.buffer].data is not None)
    model.buffers[weights.buffer].data = np.zeros(1 << 20, np.uint8)
    weights.shape, weights.type, weights.quantization = np.array([1 << 20], np.int32), 9, None
    graph.tensors += [weights] * 3000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TfliteError):
        read_tflite(packed(model))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20


@pytest.mark.parametrize("kind", ["If", "Loop"])
def test_branches_and_loops_are_refused_by_name(kind: str) -> None:
    inner = helper.make_graph([node("Relu", ["x"], ["q"])], "s", [], [helper.make_empty_tensor_value_info("q")])
    attributes = {"then_branch": inner, "else_branch": inner} if kind == "If" else {"body": inner}
    with pytest.raises(OnnxError, match=f"operator {kind} that gives 'y'"):
        read_model(model([node(kind, ["c"], ["y"], **attributes)], ["n", 3], constants={"c": np.bool_(True)}))
