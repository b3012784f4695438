"""The int8 form: close to float, run by two engines, and every scale where it should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.compression.weights import Method, PerChannel, flips_by_class, grid, to_integers, variant, weight_bytes
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import Int8Error, TooFewSamplesError, TrainingDivergedError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Node
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.package.variants import reference_graph, reference_models
from quantised_networks import KIND, LEVELS, WINDOWS, X, Y, dead_channels, regression, rows_graph, windows_graph

pytestmark = pytest.mark.numbers


@pytest.fixture(scope="module")
def rows() -> Graph:
    return rows_graph()


@pytest.fixture(scope="module")
def windows() -> Graph:
    return windows_graph()


def answers(graph: Graph, samples: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    session = open_session(to_onnx(graph))
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": samples}), strict=True))


@pytest.mark.parametrize("per_channel", ["auto", "always", "never"])
@pytest.mark.parametrize(("method", "percentile"), [("minmax", 100.0), ("percentile", 99.9)])
def test_int8_answers_like_float(rows: Graph, per_channel: PerChannel, method: Method, percentile: float) -> None:
    small = quantise(rows, X[:500], method=method, percentile=percentile, per_channel=per_channel)
    first, other = answers(rows, X), answers(small, X)
    assert np.mean(first["label"] == other["label"]) > 0.97
    assert np.abs(first["probabilities"] - other["probabilities"]).mean() < 0.02
    assert abs(np.mean(other["label"] == Y) - np.mean(first["label"] == Y)) < 0.02
    assert len(to_onnx(small)) < len(to_onnx(rows)) / 2.5


def test_convolutions_and_pools(windows: Graph) -> None:
    small = quantise(windows, WINDOWS)
    first, other = answers(windows, WINDOWS), answers(small, WINDOWS)
    assert np.mean(first["label"] == KIND) > 0.8
    assert np.mean(first["label"] == other["label"]) > 0.95
    assert {"MaxPool", "Flatten", "Sigmoid", "AveragePool"} <= {node.op for node in small.nodes}


@pytest.mark.parametrize("which", ["rows", "windows"])
def test_the_numpy_runtime_runs_it_alike(which: str, request: pytest.FixtureRequest) -> None:
    graph, samples = request.getfixturevalue(which), X if which == "rows" else WINDOWS
    small = quantise(graph, samples[:300])
    here, there = compile_graph(small)(samples), answers(small, samples)
    # A sum that falls on the border of two integers may be rounded differently, one step of the raw output apart.
    assert np.mean(np.abs(here["probabilities"] - there["probabilities"]) < 1e-5) > 0.98
    assert np.mean(here["label"] == there["label"]) > 0.99


def test_only_the_network_is_integer(rows: Graph) -> None:
    small = quantise(rows, X[:500])
    assert [mark.stage for mark in small.stages] == ["scale", "model"]
    assert small.outputs == rows.outputs and small.inputs == rows.inputs and small.labels == rows.labels
    ops = [node.op for node in small.nodes]
    assert ops[:2] == ["Sub", "QuantizeLinear"] and ops[-4:] == ["DequantizeLinear", "Softmax", "ArgMax", "ReduceMax"]
    assert small.nodes[0].outputs[0] == small.boundary
    kinds = {array.dtype.name for array in small.constants.values()}
    assert kinds == {"float32", "int8", "int32", "int64"}
    assert all(array.size == 1 for array in small.constants.values() if array.dtype == np.float32)


def test_scales_can_be_read_back(rows: Graph) -> None:
    small = quantise(rows, X[:500], per_channel="always")
    producers = {node.outputs[0]: node for node in small.nodes}
    for node in (n for n in small.nodes if n.op == "Gemm"):
        activation, weights, bias = (producers[name] for name in node.inputs)
        input_scale, weight_scale, bias_scale = (small.constants[n.inputs[1]] for n in (activation, weights, bias))
        np.testing.assert_allclose(bias_scale, input_scale * weight_scale, rtol=1e-6)
        assert small.constants[bias.inputs[0]].dtype == np.int32 and not small.constants[weights.inputs[2]].any()
        assert np.abs(small.constants[weights.inputs[0]].astype(int)).max() == 127


def test_relu_is_rounded_over_its_own_range(rows: Graph) -> None:
    small = quantise(rows, X[:500])
    producers = {node.outputs[0]: node for node in small.nodes}
    after = [n for n in small.nodes if n.op == "QuantizeLinear" and producers.get(n.inputs[0], n).op == "Relu"]
    assert len(after) == 2
    assert all(int(small.constants[node.inputs[2]]) == -128 for node in after)


def test_a_dead_channel_keeps_its_bias_within_32_bits() -> None:
    graph = dead_channels()
    for per_channel in ("always", "never"):
        small = quantise(graph, X, per_channel=per_channel)
        biases = [a for a in small.constants.values() if a.dtype == np.int32]
        assert all(np.abs(b.astype(np.int64)).max() <= 2**30 for b in biases)
        first, other = answers(graph, X), answers(small, X)
        assert np.abs(first["probabilities"] - other["probabilities"]).mean() < 0.02


def test_a_regression_stays_close() -> None:
    graph = regression()
    small = quantise(graph, X)
    error = np.abs(answers(small, X)["prediction"] - answers(graph, X)["prediction"])
    assert error.mean() < 0.02 * np.ptp(LEVELS)


def test_the_same_input_gives_the_same_bytes(rows: Graph) -> None:
    assert to_onnx(quantise(rows, X[:200])) == to_onnx(quantise(rows, X[:200]))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
@settings(max_examples=100)
def test_a_grid_covers_its_range_and_holds_zero(low: float, width: float) -> None:
    quantisation = grid(low, low + width)
    assert -128 <= quantisation.zero <= 127 and quantisation.scale > 0
    ends = np.array([min(low, 0.0), max(low + width, 0.0)])
    integers = np.clip(np.rint(ends / float(quantisation.scale)) + quantisation.zero, -128, 127)
    assert np.abs((integers - quantisation.zero) * float(quantisation.scale) - ends).max() <= 1.01 * float(
        quantisation.scale
    )


@given(st.integers(1, 6), st.integers(1, 30), st.floats(1e-12, 1e3), st.floats(0, 1e3), st.integers(0, 2**20))
@settings(max_examples=60)
def test_rounded_weights_are_within_half_a_step(
    channels: int, inputs: int, size: float, bias: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = (rng.standard_normal((inputs, channels)) * size).astype(np.float32)
    offsets = (rng.standard_normal(channels) * bias).astype(np.float32)
    for per_channel in ("always", "never", "auto"):
        integers = to_integers(weights, offsets, 1, np.float32(0.02), per_channel)
        assert integers.bias is not None and np.abs(integers.bias.astype(np.int64)).max() <= 2**30
        assert np.abs(integers.weights * integers.scale - weights).max() <= 0.5001 * integers.scale.max()
        step = np.maximum(integers.bias_scale.astype(np.float64), 1e-6 * np.abs(offsets))
        assert (np.abs(integers.bias * integers.bias_scale.astype(np.float64) - offsets) <= 0.51 * step + 1e-12).all()


def test_auto_takes_a_scale_a_channel_where_it_pays() -> None:
    rng = np.random.default_rng(1)
    even, uneven = rng.standard_normal((64, 64)).astype(np.float32), rng.standard_normal((64, 64)).astype(np.float32)
    uneven[:, 0] *= 50
    assert not to_integers(even, None, 1, np.float32(0.1), "auto").per_channel
    assert to_integers(uneven, None, 1, np.float32(0.1), "auto").per_channel
    depthwise = (rng.standard_normal((8, 1, 5)) * np.geomspace(0.01, 1, 8)[:, None, None]).astype(np.float32)
    assert to_integers(depthwise, None, 0, np.float32(0.1), "auto", depthwise=True).per_channel


def test_what_cannot_be_quantised_is_refused_by_name(rows: Graph) -> None:
    builder = Builder("t", (10,))
    graph = builder.finish({"y": (builder.op("Relu", builder.input), "float32", (10,))})
    with pytest.raises(Int8Error):
        quantise(graph, X)
    nodes = tuple(Node(op="Tanh", inputs=n.inputs, outputs=n.outputs) if n.op == "Relu" else n for n in rows.nodes)
    with pytest.raises(Int8Error, match="got the operator Tanh"):
        quantise(Graph(**{**{f: getattr(rows, f) for f in rows.__struct_fields__}, "nodes": nodes}), X)
    with pytest.raises(TooFewSamplesError):
        quantise(rows, X[:0])
    broken = X.copy()
    broken[3] = np.nan
    with pytest.raises(TrainingDivergedError):
        quantise(rows, broken)


def test_bytes_of_weights(rows: Graph, windows: Graph) -> None:
    parameters = 10 * 64 + 64 + 64 * 64 + 64 + 64 * 3 + 3
    assert weight_bytes(rows) == 4 * parameters
    small = weight_bytes(quantise(rows, X[:200], per_channel="never"))
    biases = 64 + 64 + 3
    assert 0 <= small - (parameters - biases + 4 * biases) <= 60
    assert weight_bytes(quantise(windows, WINDOWS)) < weight_bytes(windows) / 2


def test_ten_megabytes_become_two_and_a_half() -> None:
    whole, small, sample = reference_models(2.0, seed=1)
    before, after = len(whole), len(small)
    assert sample.shape == (1, 10)
    assert before == pytest.approx(2e6, rel=0.01)
    assert 3.85 < before / after < 4.0
    assert reference_graph(10.0).constants.keys() == reference_graph(10.0, seed=2).constants.keys()


def test_flips_by_class_and_the_row_of_a_form(rows: Graph) -> None:
    flips = flips_by_class(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 1]), ("a", "b", "c"))
    assert flips == (("a", 1), ("b", 0), ("c", 2))
    row = variant(
        "int8", accuracy=None, flips=flips, graph=rows, file_bytes=10, latency_us=(1.0, 2.0), engine="onnxruntime"
    )
    assert row.flips == 3 and row.weight_bytes == weight_bytes(rows) and row.latency_p99_us == 2.0
