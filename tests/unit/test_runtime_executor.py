"""Running graphs in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import InputError, OnnxError, SampleShapeError, UnknownNameError
from edgewright.core.operators import shape as windows
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph, Node, Value
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from runtime_example import classifier, numbers, regressor

pytestmark = pytest.mark.numbers


def graph(*nodes: Node, output: str = "y") -> Graph:
    return Graph(
        name="g",
        inputs=(Value(name="x", shape=(3,)),),
        outputs=(Value(name=output, shape=(3,)),),
        nodes=nodes,
        constants={"two": np.asarray(2, np.float32), "wide": numbers(4)},
    )


@pytest.mark.parametrize("example", [classifier(), regressor()], ids=lambda g: g.name)
def test_graph_gives_what_onnx_runtime_gives(example: Graph) -> None:
    x = numbers(33, *example.inputs[0].shape)
    x[0, 0] = np.nan
    if example.name == "level":
        x = np.nan_to_num(x)
    session = open_session(to_onnx(example))
    expected = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": x}), strict=True))
    got = compile_graph(example)(x)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-6)


def test_interior_values_are_given_by_name_and_nothing_else_runs() -> None:
    example = classifier()
    marks = [mark.value for mark in example.stages]
    values = compile_graph(example, marks)(numbers(2, 10))
    assert list(values) == marks
    assert values[marks[-1]].shape == (2, 3)
    broken = graph(Node(op="Neg", inputs=("x",), outputs=("y",)), Node(op="Bogus", inputs=("y",), outputs=("z",)))
    assert compile_graph(broken, ["y"])(np.ones((1, 3), np.float32))["y"].tolist() == [[-1, -1, -1]]


def test_input_itself_and_constants_can_be_asked_for() -> None:
    run = compile_graph(graph(Node(op="Neg", inputs=("x",), outputs=("y",))), ["x", "two", "y"])
    values = run(np.ones((1, 3), np.float32))
    assert values["x"].tolist() == [[1, 1, 1]]
    assert float(values["two"]) == 2.0


def test_nodes_of_constants_are_worked_out_once() -> None:
    run = compile_graph(
        graph(Node(op="Neg", inputs=("two",), outputs=("m",)), Node(op="Mul", inputs=("x", "m"), outputs=("y",))),
    )
    assert run(np.ones((1, 3), np.float32))["y"].tolist() == [[-2, -2, -2]]


def test_float64_is_cast_to_what_the_graph_declares() -> None:
    values = compile_graph(classifier())(numbers(2, 10).astype(np.float64))
    assert values["probabilities"].dtype == np.float32
    np.testing.assert_array_equal(values["probabilities"], compile_graph(classifier())(numbers(2, 10))["probabilities"])


@pytest.mark.parametrize("group", [1, 2])
def test_convolution_of_a_large_batch_is_taken_in_parts(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder("parts", (4, 20))
    weights = builder.constant(numbers(6, 4 // group, 3))
    value = builder.op("Conv", builder.input, weights, group=group, strides=(2,), pads=(1, 0))
    run = compile_graph(builder.finish({"prediction": (value, "float32", (6, 10))}))
    whole = run(numbers(11, 4, 20))["prediction"]
    monkeypatch.setattr(windows, "_COLUMNS", 400)
    np.testing.assert_allclose(run(numbers(11, 4, 20))["prediction"], whole, rtol=1e-5, atol=1e-6)


def test_batches_do_not_share_anything() -> None:
    run = compile_graph(classifier())
    a, b = numbers(4, 10, seed=1), numbers(2, 10, seed=2)
    first = run(a)["probabilities"].copy()
    run(b)
    np.testing.assert_array_equal(run(a)["probabilities"], first)


def test_unknown_operator_is_named_with_its_node() -> None:
    with pytest.raises(UnknownNameError, match=r"no operator 'Mull'\. Known: Abs.*operator Mull that gives 'y'"):
        compile_graph(graph(Node(op="Mull", inputs=("x", "two"), outputs=("y",))))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((Node(op="Add", inputs=("x", "gone"), outputs=("y",)),), "inputs that an earlier node gives, got 'gone'"),
        (
            (Node(op="Neg", inputs=("y",), outputs=("z",)), Node(op="Neg", inputs=("z",), outputs=("y",))),
            "inputs that an earlier node gives",
        ),
        ((Node(op="MaxPool", inputs=("x",), outputs=("y", "places")),), "one output, got 2"),
        ((Node(op="Neg", inputs=("x",), outputs=("two",)),), "'two' twice"),
        ((Node(op="Neg", inputs=("x",), outputs=("z",)),), "a value of the graph, got 'y'"),
        ((Node(op="Add", inputs=("x",), outputs=("y",)),), "operator Add that gives 'y'"),
        ((Node(op="Add", inputs=("x", "wide"), outputs=("y",)),), r"\(1, 3\), \(4,\).*operator Add that gives 'y'"),
        ((Node(op="MatMul", inputs=("wide", "two"), outputs=("y",)),), "constants that fit"),
        ((Node(op="Gemm", inputs=("x",), outputs=("y",)),), "inputs and attributes the operator takes"),
    ],
)
def test_a_graph_that_is_not_whole_is_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compile_graph(graph(*nodes))(np.ones((1, 3), np.float32))


def test_another_shape_is_refused() -> None:
    run = compile_graph(graph(Node(op="Neg", inputs=("x",), outputs=("y",))))
    for shape in ((1, 4), (3,), (1, 3, 1)):
        with pytest.raises(SampleShapeError):
            run(np.ones(shape, np.float32))


def test_more_than_one_input_is_refused() -> None:
    two = Graph(name="g", inputs=(Value(name="a"), Value(name="b")), outputs=(), nodes=(), constants={})
    with pytest.raises(OnnxError, match="a graph with one input, got 2"):
        compile_graph(two)
