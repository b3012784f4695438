"""From a quantised graph to a network of integers, whose answers LiteRT and TFLM give too."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import Int8Error, OnnxError
from edgewright.core.integer.network import run_integer, run_values, to_integers, to_reals, with_rounding
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Node
from edgewright.graph.builder import Builder
from edgewright.graph.extract import float_network, integer_network
from integer_layers import litert, need_litert, need_tflm, tflm, to_tflite
from integer_networks import LAYERS, picture, samples_of, small, trained

pytestmark = pytest.mark.numbers

NAMES = (*LAYERS, "picture")


@pytest.mark.parametrize("per_channel", ["always", "never"])
@pytest.mark.parametrize("name", NAMES)
def test_whole_networks_equal_both_interpreters(name: str, per_channel: str) -> None:
    need_litert()
    need_tflm()
    graph = small(name, per_channel)
    for rounding, engine in (("litert", litert), ("tflm", tflm)):
        network = integer_network(graph, rounding)  # type: ignore[arg-type]
        x = to_integers(network.values[network.input], samples_of(graph)[:60])
        answers = run_integer(network, x)
        np.testing.assert_array_equal(answers, engine(to_tflite(network), x))
        assert len(np.unique(answers)) > 20


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_in_float_steps_says_nearly_the_same(name: str) -> None:
    graph = small(name)
    network = integer_network(graph)
    samples = samples_of(graph)[:60]
    outputs = network.values[network.output]
    mine = to_reals(outputs, run_integer(network, to_integers(network.values[network.input], samples)))
    raw = next(
        n.inputs[0] if n.op == "Softmax" else n.outputs[0]
        for n in reversed(graph.nodes)
        if n.op in ("Softmax", "DequantizeLinear")
    )
    theirs = compile_graph(graph, [raw])(samples)[raw]
    # The reference kernel of a mean rounds to whole steps before it divides: an eighth of a step upwards on average.
    steps = np.abs(mine - theirs) / outputs.scale
    assert steps.max() < 8.5 and steps.mean() < 1.5
    assert np.mean(mine.argmax(axis=1) == theirs.argmax(axis=1)) >= 0.93


def test_what_is_in_a_network() -> None:
    network = integer_network(small("pools"))
    kinds = [operator.kind for operator in network.operators]
    assert kinds == [
        "reshape",
        "transpose",
        "conv",
        "max_pool",
        "depthwise",
        "conv",
        "average_pool",
        "reshape",
        "dense",
        "logistic",
        "dense",
    ]
    assert [o.activation for o in network.operators if o.kind in ("conv", "depthwise")] == ["relu", "relu", "relu"]
    first = network.values[network.input]
    assert first.shape == (3, 32) and network.values[network.output].shape == (3,)
    for operator in network.operators:
        for name, dtype in (("weights", np.int8), ("bias", np.int32), ("weight_scale", np.float32)):
            assert operator.arrays.get(name, np.zeros(1, dtype)).dtype == dtype
    x = to_integers(first, samples_of(small("pools"))[:5])
    values = run_values(network, x)
    assert [values[i].shape[1:] for i in range(len(network.values))] == [v.shape for v in network.values]


def test_a_window_of_one_channel_needs_no_transpose() -> None:
    rng = np.random.default_rng(0)
    builder = Builder("one", (1, 20))
    builder.boundary(builder.input)
    weights = builder.constant(rng.standard_normal((4, 1, 3)).astype(np.float32))
    value = builder.op("Flatten", builder.op("GlobalAveragePool", builder.op("Conv", builder.input, weights)), axis=1)
    value = builder.op("Gemm", value, builder.constant(rng.standard_normal((4, 2)).astype(np.float32)))
    graph = builder.finish({"prediction": (value, "float32", (2,))})
    kinds = [operator.kind for operator in float_network(graph).operators]
    assert kinds == ["reshape", "reshape", "conv", "mean", "reshape", "dense"]


def test_the_rounding_can_be_chosen_again() -> None:
    one = integer_network(small("dense"), "litert")
    other = with_rounding(one, "tflm")
    again = with_rounding(other, "litert")
    assert (one.rounding, other.rounding) == ("litert", "tflm")
    for first, second in zip(one.operators, again.operators, strict=True):
        assert first.numbers == second.numbers and first.arrays.keys() == second.arrays.keys()
        for name, array in first.arrays.items():
            np.testing.assert_array_equal(array, second.arrays[name])
    assert [o.numbers["single"] for o in other.operators] == [(0,)] * 3


def test_rounding_at_the_boundary() -> None:
    value = integer_network(small("dense")).values[0]
    scale = np.float32(value.scale)
    reals = np.array(
        [[-1e9, -0.5 * scale, 0.0, 0.5 * scale, 1.49 * scale, 1e30, np.inf, -np.inf, np.nan, 0]], np.float32
    )
    steps = to_integers(value, reals)[0].astype(int) - value.zero
    low, high = -128 - value.zero, 127 - value.zero
    assert steps.tolist() == [low, -1, 0, 1, 1, high, high, low, 0, 0]


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        ("DequantizeLinear", ("other", None), "the scale and zero point that rounded a value"),
        ("DequantizeLinear", ("computed", None), "a scale and zero point that are constants"),
        ("QuantizeLinear", (None, "whole"), "a scale and zero point that are constants"),
        ("QuantizeLinear", (None, ""), "rounding to int8"),
    ],
)
def test_grids_that_a_graph_does_not_say_alike_are_refused(
    op: str, inputs: tuple[str | None, str | None], message: str
) -> None:
    """Read as if they were alike, the network would be another one than the graph."""
    graph = small("dense")
    index = [i for i, n in enumerate(graph.nodes) if n.op == op and n.inputs[0] not in graph.constants][1]
    node = graph.nodes[index]
    scale, zero = (new if new is not None else old for new, old in zip(inputs, node.inputs[1:], strict=True))
    kept = (node.inputs[0], scale, zero) if zero else (node.inputs[0], scale)
    first = (
        Node(op="ReduceMax", inputs=(graph.inputs[0].name,), outputs=("computed",), attributes={"keepdims": 0}),
        Node(op="Cast", inputs=("computed",), outputs=("whole",), attributes={"to": 3}),
    )
    nodes = (*first, *graph.nodes[:index], msgspec.structs.replace(node, inputs=kept), *graph.nodes[index + 1 :])
    constants = {**graph.constants, "other": np.asarray(0.25, np.float32)}
    with pytest.raises(Int8Error):
        integer_network(msgspec.structs.replace(graph, nodes=nodes, constants=constants))


def test_what_is_no_integer_network_is_refused() -> None:
    with pytest.raises(Int8Error):
        integer_network(trained("dense"))
    with pytest.raises(Int8Error):
        float_network(msgspec.structs.replace(trained("dense"), boundary=""))
    graph = small("dense")
    changed = tuple(
        Node(op="Tanh", inputs=n.inputs, outputs=n.outputs) if n.op == "Relu" else n for n in trained("dense").nodes
    )
    with pytest.raises(Int8Error, match="got Tanh"):
        float_network(msgspec.structs.replace(trained("dense"), nodes=changed))
    with pytest.raises(Int8Error):
        run_integer(integer_network(graph), np.zeros((2, 9), np.int8))
    loose = msgspec.structs.replace(picture().inputs[0], shape=(3, -1, 8))
    with pytest.raises(Int8Error):
        float_network(msgspec.structs.replace(picture(), inputs=(loose,)))


def test_a_network_never_ends_early_in_silence() -> None:
    graph = small("dense")
    last = max(i for i, node in enumerate(graph.nodes) if node.op == "Gemm")
    gemm = graph.nodes[last]
    broken = (
        *graph.nodes[:last],
        Node(op=gemm.op, inputs=gemm.inputs, outputs=("extra",), attributes=gemm.attributes),
        Node(op="Neg", inputs=("extra",), outputs=gemm.outputs),
        *graph.nodes[last + 1 :],
    )
    with pytest.raises(Int8Error):
        integer_network(msgspec.structs.replace(graph, nodes=broken))
    builder = Builder("turned", (4,))
    builder.boundary(builder.input)
    value = builder.op("Sub", builder.number(1.0), builder.input)
    value = builder.op("Gemm", value, builder.constant(np.ones((4, 2), np.float32)))
    with pytest.raises(OnnxError):
        float_network(builder.finish({"prediction": (value, "float32", (2,))}))
