"""What a graph costs."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.builder import Builder
from edgewright.graph.cost import cost
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Value
from runtime_example import classifier, numbers, regressor


def test_the_lesson_network_has_the_known_figures() -> None:
    counted = cost(classifier())
    # 10*64 + 64, 64*64 + 64, 64*3 + 3.
    assert counted.network.parameters == 5059
    assert counted.network.macs == 10 * 64 + 64 * 64 + 64 * 3
    assert counted.total.macs == counted.network.macs
    assert counted.preprocessing.parameters == 20
    assert counted.preprocessing.macs == 0
    assert counted.total.parameters == 5079
    # Between the layers of 64 both are alive, as float32; nothing else is needed any more.
    assert counted.network.peak_bytes == 2 * 64 * 4
    assert counted.network.nodes + counted.preprocessing.nodes == counted.total.nodes == len(counted.nodes)


def test_stages_add_up() -> None:
    counted = cost(classifier())
    assert list(counted.stages) == ["Impute", "Normalise", "Network", "answer"]
    assert counted.stages["Network"].parameters == 5059
    assert counted.stages["Impute"].parameters == 10
    assert sum(part.nodes for part in counted.stages.values()) == counted.total.nodes
    assert counted.stages["Impute"].weight_bytes == 40


def test_convolution_counts_positions_times_kernel() -> None:
    counted = cost(regressor())
    assert counted.total.macs == 3 * 6 * (2 * 3) + 3
    assert counted.total.parameters == 3 * 2 * 3 + 3 + 3
    assert counted.network.nodes == 0, "no boundary, no network"
    shapes = {node.op: node.shape for node in counted.nodes}
    assert shapes["Conv"] == (1, 3, 6)
    assert shapes["Flatten"] == (1, 3)


def test_quantised_weights_count_as_bytes_of_the_network() -> None:
    builder = Builder("int8", (4,))
    builder.boundary(builder.input)
    scale, zero = builder.number(0.05), builder.constant(np.asarray(0, np.int8))
    stored = builder.constant(np.arange(12, dtype=np.int8).reshape(4, 3))
    weights = builder.op("DequantizeLinear", stored, scale, zero)
    steps = builder.op("QuantizeLinear", builder.input, scale, zero)
    x = builder.op("DequantizeLinear", steps, scale, zero)
    y = builder.op("Reshape", builder.op("MatMul", x, weights), builder.integers(0, 3))
    counted = cost(builder.finish({"prediction": (y, "float32", (3,))}))
    assert counted.network.parameters == 12
    assert counted.network.weight_bytes == 12 + 4 + 1 + 16
    assert counted.preprocessing.nodes == 0
    assert counted.network.macs == 12
    # The dequantised weights are constants of the program, not values of one inference; Reshape takes no memory.
    assert counted.network.peak_bytes == 4 * 4 + 3 * 4


def test_a_constant_of_both_parts_counts_once() -> None:
    builder = Builder("shared", (4,))
    shared = builder.constant(numbers(4))
    early = builder.op("Add", builder.input, shared)
    builder.boundary(early)
    late = builder.op("Add", early, shared)
    counted = cost(builder.finish({"prediction": (late, "float32", (4,))}))
    assert (counted.total.weight_bytes, counted.network.weight_bytes, counted.preprocessing.weight_bytes) == (16, 16, 0)


@pytest.mark.parametrize("shape", [(-1,), (1 << 20, 1 << 20)])
def test_an_input_without_possible_shape_is_refused(shape: tuple[int, ...]) -> None:
    graph = Graph(name="g", inputs=(Value(name="x", shape=shape),), outputs=(), nodes=(), constants={})
    with pytest.raises(InputError, match="an input of fixed shape"):
        cost(graph)
