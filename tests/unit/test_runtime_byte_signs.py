"""Signed and unsigned bytes of a graph: the same numbers under the same names, there and back."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edgewright.compression.int8 import quantise
from edgewright.core.integer.network import run_integer
from edgewright.core.onnx.reader import read_onnx, to_signed, to_unsigned
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Attribute, Graph, Node, Value
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from integer_networks import picture, samples_of, trained

pytestmark = pytest.mark.numbers

NAMES = ("dense", "pools", "picture")


def quantised(name: str) -> Graph:
    graph = picture() if name == "picture" else trained(name)
    return quantise(graph, samples_of(graph))


def same(a: Graph, b: Graph) -> bool:
    arrays = a.constants.keys() == b.constants.keys() and all(
        a.constants[k].dtype == b.constants[k].dtype and np.array_equal(a.constants[k], b.constants[k])
        for k in a.constants
    )
    return arrays and a.nodes == b.nodes and a.outputs == b.outputs


def bytes_of(graph: Graph) -> set[str]:
    """Return types of the constants that have eight bits."""
    return {array.dtype.name for array in graph.constants.values() if array.dtype.itemsize == 1}


def chain(*nodes: Node, constants: dict[str, Array], dtype: str = "float32", width: int = 4) -> Graph:
    """Return nodes from x to y over rows of four numbers."""
    return Graph(
        name="chain",
        inputs=(Value(name="x", shape=(4,)),),
        outputs=(Value(name="y", dtype=dtype, shape=(width,)),),
        nodes=nodes,
        constants=constants,
    )


def node(op: str, *names: str, **attributes: Attribute) -> Node:
    """Return the last name is the output's."""
    return Node(op=op, inputs=names[:-1], outputs=names[-1:], attributes=attributes)


STEP, ZERO = np.asarray(0.25, np.float32), np.asarray(-7, np.int8)
X = np.asarray([[-40.0, -1.0, 0.3, 9.0], [1.7, 2.0, np.inf, -0.0]], np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_no_signed_bytes_and_is_read_as_the_graph_it_was(name: str) -> None:
    graph = quantised(name)
    assert bytes_of(graph) == {"int8"} and bytes_of(to_unsigned(graph)) == {"uint8"}
    back = read_onnx(to_onnx(graph))
    assert same(back, graph) and to_onnx(back) == to_onnx(graph)


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_give_the_same_numbers_and_the_same_integers(name: str) -> None:
    graph = quantised(name)
    x = samples_of(graph)[:50]
    floats = [n.outputs[0] for n in graph.nodes if n.op != "QuantizeLinear"]
    first, other = compile_graph(graph, floats)(x), compile_graph(to_unsigned(graph), floats)(x)
    moved = {n.outputs[0] for n in graph.nodes if n.op in ("MaxPool", "Reshape", "Flatten")}
    assert all(np.array_equal(first[k], other[k], equal_nan=True) for k in first.keys() - moved)
    network = integer_network(to_signed(to_unsigned(graph)))
    given = np.random.default_rng(0).integers(-128, 128, (9, *network.values[network.input].shape), np.int8)
    np.testing.assert_array_equal(run_integer(network, given), run_integer(integer_network(graph), given))


def test_files_written_with_signed_bytes_are_still_read() -> None:
    graph = quantised("dense")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgewright.graph.onnx_writer.to_unsigned", lambda given: given)
        old = to_onnx(graph)
    assert old != to_onnx(graph) and same(read_onnx(old), graph)


def test_bytes_that_are_an_answer_stay_what_they_are() -> None:
    graph = chain(node("QuantizeLinear", "x", "s", "z", "y"), constants={"s": STEP, "z": ZERO}, dtype="int8")
    assert to_unsigned(graph) is graph
    outputs = (Value(name="y", dtype="uint8", shape=(4,)),)
    constants = {"s": STEP, "z": np.asarray(7, np.uint8)}
    unsigned = msgspec.structs.replace(graph, constants=constants, outputs=outputs)
    assert to_signed(unsigned) is unsigned


def test_bytes_that_another_operator_reads_stay_what_they_are() -> None:
    cast = chain(
        node("QuantizeLinear", "x", "s", "z", "q"),
        node("Cast", "q", "y", to=1),
        constants={"s": STEP, "z": ZERO},
    )
    assert to_unsigned(cast) is cast
    joined = chain(
        node("QuantizeLinear", "x", "s", "z", "q"),
        node("Concat", "q", "w", "c", axis=1),
        node("DequantizeLinear", "c", "s", "z", "y"),
        constants={"s": STEP, "z": ZERO, "w": np.ones((2, 4), np.int8)},
        width=8,
    )
    assert to_unsigned(joined) is joined


def test_what_is_filled_in_moves_with_the_bytes() -> None:
    graph = chain(
        node("QuantizeLinear", "x", "s", "z", "q"),
        node("Pad", "q", "widths", "z", "p"),
        node("Concat", "p", "q", "c", axis=1),
        node("DequantizeLinear", "c", "s", "z", "y"),
        constants={"s": STEP, "z": ZERO, "widths": np.asarray([0, 1, 0, 2], np.int64)},
        width=11,
    )
    turned = to_unsigned(graph)
    assert bytes_of(turned) == {"uint8"} and same(to_signed(turned), graph)
    np.testing.assert_array_equal(compile_graph(turned)(X)["y"], compile_graph(graph)(X)["y"])
    # Without the bytes to fill in, 0 of the one kind would be another number in the other.
    nodes = (graph.nodes[0], node("Pad", "q", "widths", "p"), *graph.nodes[2:])
    open_ended = msgspec.structs.replace(graph, nodes=nodes)
    assert to_unsigned(open_ended) is open_ended


def test_a_zero_point_that_is_left_out_is_written() -> None:
    weights = np.asarray([[1, -127], [0, 5], [-128, 127], [3, -3]], np.int8)
    graph = chain(
        node("DequantizeLinear", "w", "s", "f"),
        node("MatMul", "x", "f", "y"),
        constants={"w": weights, "s": np.asarray([0.5, 0.25], np.float32)},
        width=2,
    )
    turned = to_unsigned(graph)
    assert bytes_of(turned) == {"uint8"}
    finite = X[:1]
    np.testing.assert_array_equal(compile_graph(turned)(finite)["y"], compile_graph(graph)(finite)["y"])
    rounding, reading = node("QuantizeLinear", "x", "s", "q"), node("DequantizeLinear", "q", "s", "z", "y")
    unsigned = chain(rounding, reading, constants={"s": STEP, "z": np.asarray(0, np.uint8)})
    signed = to_signed(unsigned)
    assert bytes_of(signed) == {"int8"}
    np.testing.assert_array_equal(compile_graph(signed)(X)["y"], compile_graph(unsigned)(X)["y"])


def test_a_zero_point_that_something_else_reads_keeps_its_bytes_for_that() -> None:
    graph = chain(
        node("QuantizeLinear", "x", "s", "z", "q"),
        node("Cast", "q", "c", to=1),
        node("DequantizeLinear", "w", "s", "z", "f"),
        node("Add", "c", "f", "y"),
        constants={"s": STEP, "z": ZERO, "w": np.arange(-2, 2, dtype=np.int8)},
    )
    turned = to_unsigned(graph)
    assert turned.constants["z"].dtype == np.int8 and turned.constants["w"].dtype == np.uint8
    np.testing.assert_array_equal(compile_graph(turned)(X)["y"], compile_graph(graph)(X)["y"])
