"""Every registered operator gives what ONNX Runtime gives."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgewright.core.catalogue import names
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import OnnxError, UnknownNameError
from edgewright.core.operators import operator, prepare
from edgewright.core.records.network import Array, Attribute, Node

pytestmark = pytest.mark.numbers

_RNG = np.random.default_rng(5)


class Case(NamedTuple):
    """Inputs of one call: None is one left out; `computed` of them are not constants."""

    op: str
    inputs: list[Array | None]
    attributes: dict[str, Attribute]
    computed: int
    opset: int


def case(op: str, *inputs: Array | None, computed: int = 1, opset: int = 18, **attributes: Attribute) -> Case:
    return Case(op, list(inputs), attributes, computed, opset)


def f(*shape: int, low: float = -3.0, high: float = 3.0) -> NDArray[np.float32]:
    return _RNG.uniform(low, high, shape).astype(np.float32)


def i(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def s(value: float, dtype: str = "float32") -> Array:
    return np.asarray(value, dtype)


def b(*shape: int) -> NDArray[np.bool_]:
    return _RNG.random(shape) > 0.5


_HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e4, -1e4, 0.49]], np.float32)
_HOLES = np.array([[1.0, np.nan, -2.0], [np.nan, 0.0, np.nan]], np.float32)
_INTS = np.array([[-7, 7, -1, 8]], np.int32)


def _binary() -> list[Case]:
    cases = [case(op, f(3, 4), f(3, 4), computed=2) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")]
    cases += [case(op, f(3, 4), f(4)) for op in ("Add", "Sub", "Mul", "Div")]
    cases += [case(op, f(3, 4), f(4), f(1)) for op in ("Max", "Min")]
    cases += [case("Div", _INTS, np.array([2, -2, 3, -3], np.int32), computed=2)]
    cases += [case("Pow", f(3, 4, low=0.1), s(1.5)), case("Pow", f(3, 4), s(2.0))]
    comparisons = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")
    cases += [case(op, np.round(f(4, 5)), np.round(f(4, 5)), computed=2) for op in comparisons]
    return cases + [case(op, b(4, 5), b(4, 5), computed=2) for op in ("And", "Or", "Xor")]


def _unary() -> list[Case]:
    ops = ("Neg", "Abs", "Exp", "Floor", "Ceil", "Relu", "Sigmoid", "Tanh", "Softmax", "Identity", "Sign", "Sin")
    cases = [case(op, f(3, 7)) for op in (*ops, "Cos", "Erf")]
    cases += [case(op, f(3, 7, low=0.1)) for op in ("Sqrt", "Log", "Reciprocal")]
    cases += [case("Sigmoid", s(-200.0).reshape(1, 1)), case("Softmax", f(2, 3, 4) * 50, axis=1)]
    cases += [case("Round", _HALVES), case("LeakyRelu", f(3, 4)), case("LeakyRelu", f(3, 4), alpha=0.3)]
    cases += [case("IsNaN", _HOLES), case("Not", b(3, 4)), case("Where", b(3, 4), f(3, 4), s(0.0), computed=2)]
    cases += [case("Where", b(3, 1), f(3, 4), f(4), computed=3)]
    cases += [case("Clip", f(3, 9), s(-1.0), s(1.0)), case("Clip", f(3, 9), None, s(1.0)), case("Clip", f(3, 9), s(0))]
    return (
        cases
        + [case("Cast", f(3, 4), to=to) for to in (1, 3, 6, 7, 9, 11)]
        + [
            case("Cast", f(3, 4, low=0.0), to=2),
            case("Cast", b(3, 4), to=1),
        ]
    )


def _reductions() -> list[Case]:
    ops = [op for op in operator.known if op.startswith("Reduce")]
    cases = [case(op, f(3, 4, 5), i(2), keepdims=keep) for op in ops for keep in (0, 1)]
    cases += [case(op, f(3, 4, 5), i(-1, 1)) for op in ops] + [case(op, f(3, 4)) for op in ops]
    cases += [case("ReduceSum", f(3, 4), noop_with_empty_axes=1), case("ReduceMean", f(3, 4), opset=17, axes=(1,))]
    for op in ("ArgMax", "ArgMin"):
        ties = np.round(f(4, 9))
        cases += [
            case(op, ties, axis=1, keepdims=0),
            case(op, ties, axis=-1),
            case(op, ties, axis=1, select_last_index=1),
        ]
    return cases


def _shapes() -> list[Case]:
    x = f(2, 3, 4)
    return [
        case("Concat", x, f(2, 1, 4), f(2, 2, 4), axis=1),
        case("Concat", x, x, axis=-1, computed=2),
        case("Gather", x, i(2, 0, -1), axis=1),
        case("Gather", x, np.asarray(1, np.int64), axis=2),
        case("GatherElements", x, np.array([[[0, 2, -1, 1]]] * 2, np.int32), axis=1, computed=2),
        case("GatherElements", f(2, 5), np.array([[4, 0], [1, 1]], np.int64), axis=1),
        case("Slice", x, i(1), i(3), i(1)),
        case("Slice", x, i(0, -1), i(2**62, -(2**62)), i(1, 2), i(2, -1)),
        case("Slice", x, i(0), i(1)),
        case("Reshape", x, i(0, -1)),
        case("Reshape", x, i(4, 6), computed=2),
        case("Flatten", x),
        case("Flatten", x, axis=2),
        case("Flatten", x, axis=-1),
        case("Transpose", x),
        case("Transpose", x, perm=(0, 2, 1)),
        case("Squeeze", f(2, 1, 4, 1), i(1)),
        case("Squeeze", f(2, 1, 4, 1)),
        case("Unsqueeze", x, i(1, -1)),
        case("Expand", f(2, 1, 4), i(3, 1)),
        case("Expand", f(2, 1, 4), i(2, 3, 4), computed=2),
        case("Pad", x, i(0, 1, 2, 0, 0, 1), s(7.0)),
        case("Pad", x, i(0, 0, 2, 0, 0, 1), mode="edge"),
        case("Pad", x, i(0, 0, 2, 0, 0, 1), mode="reflect"),
        case("Pad", x, i(3, 1), None, i(2)),
        case("Shape", x),
        case("Shape", x, start=1),
    ]


def _products() -> list[Case]:
    x, image = f(3, 4, 11), f(2, 3, 9, 8)
    return [
        case("MatMul", f(3, 5), f(5, 4)),
        case("MatMul", f(3, 2, 5), f(3, 5, 4), computed=2),
        case("Gemm", f(3, 5), f(5, 4)),
        case("Gemm", f(3, 5), f(4, 5), f(4), transB=1),
        case("Gemm", f(5, 3), f(4, 5), f(3, 4), transA=1, transB=1, alpha=0.5, beta=2.0, computed=3),
        case("Conv", x, f(6, 4, 3), f(6)),
        case("Conv", x, f(6, 4, 3), strides=(2,), pads=(1, 2), dilations=(2,)),
        case("Conv", x, f(6, 2, 3), f(6), group=2),
        case("Conv", x, f(4, 1, 5), f(4), group=4, pads=(2, 2), strides=(3,)),
        case("Conv", x, f(8, 1, 5), group=4),
        case("Conv", x, f(5, 4, 4), auto_pad="SAME_UPPER", strides=(2,)),
        case("Conv", x, f(5, 4, 4), auto_pad="SAME_LOWER", kernel_shape=(4,)),
        case("Conv", x, f(5, 4, 4), auto_pad="VALID"),
        case("Conv", image, f(4, 3, 3, 2), f(4), pads=(1, 0, 1, 1), strides=(2, 1), dilations=(1, 2)),
        case("Conv", image, f(3, 1, 3, 3), group=3, pads=(1, 1, 1, 1)),
    ]


def _pools() -> list[Case]:
    x, image = f(3, 4, 11), f(2, 3, 9, 8)
    cases = []
    for op in ("MaxPool", "AveragePool"):
        cases += [
            case(op, x, kernel_shape=(3,)),
            case(op, x, kernel_shape=(3,), strides=(2,), pads=(1, 1)),
            case(op, x, kernel_shape=(4,), strides=(3,), ceil_mode=1),
            case(op, image, kernel_shape=(3, 2), strides=(2, 2), pads=(1, 0, 1, 1)),
            case(op, x, kernel_shape=(4,), strides=(2,), auto_pad="SAME_UPPER"),
        ]
    cases += [
        case("MaxPool", x, kernel_shape=(3,), dilations=(2,)),
        case("AveragePool", x, kernel_shape=(3,), pads=(1, 1), count_include_pad=1),
    ]
    return cases + [case(op, shape) for op in ("GlobalAveragePool", "GlobalMaxPool") for shape in (x, image)]


def _recurrent() -> list[Case]:
    # Small weights: what a step rounds must not grow from step to step.
    x, cases = f(11, 4, 3), []
    for op, gates in (("LSTM", 20), ("GRU", 15)):
        weights = [f(1, gates, 3, low=-0.7, high=0.7), f(1, gates, 5, low=-0.7, high=0.7), f(1, 2 * gates)]
        forms = [{}, *([{"linear_before_reset": 1}] if op == "GRU" else [])]
        cases += [case(op, x, *weights[:count], hidden_size=5, **form) for count in (2, 3) for form in forms]
    return cases


def _quantised() -> list[Case]:
    scales = np.array([0.1, 0.03, 0.5], np.float32)
    points = np.array([3, -4, 0], np.int8)
    steps = _RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8)
    return [
        case("QuantizeLinear", _HALVES, s(1.0), s(0, "int8")),
        case("QuantizeLinear", f(4, 9), s(0.02), s(-3, "int8")),
        case("QuantizeLinear", f(4, 9), s(0.02), s(130, "uint8")),
        case("QuantizeLinear", f(4, 9), s(0.02)),
        case("QuantizeLinear", f(2, 3, 4), scales, points),
        case("QuantizeLinear", f(4, 3), scales, points, axis=-1),
        case("DequantizeLinear", steps, s(0.02), s(5, "int8")),
        case("DequantizeLinear", steps, scales, points, axis=1),
        case("DequantizeLinear", steps.astype(np.int32) * 1000, s(0.001)),
        case("DequantizeLinear", steps, scales),
    ]


# What fitted stages and networks are said in.
_DIALECT = (
    "Add Sub Mul Div Neg Abs Sqrt Exp Log Pow Min Max Floor Ceil Round Reciprocal Relu Sigmoid Tanh Softmax Clip "
    "MatMul Gemm Conv MaxPool AveragePool GlobalAveragePool GlobalMaxPool Concat Gather Slice Reshape Flatten "
    "GatherElements Transpose Squeeze Unsqueeze Expand Pad ReduceMean ReduceMax ReduceMin ReduceSum ReduceSumSquare "
    "ReduceL2 ArgMax Where IsNaN Greater GreaterOrEqual Less LessOrEqual Equal And Or Not Cast Identity "
    "QuantizeLinear DequantizeLinear LSTM GRU"
)

LISTED = _binary() + _unary() + _reductions() + _shapes() + _products() + _pools() + _recurrent() + _quantised()
# An operator of one input without attributes needs no line here; ONNX Runtime refuses the case of any other.
CASES = LISTED + [case(op, f(3, 7)) for op in sorted(set(operator.known) - {one.op for one in LISTED})]


def referee(one: Case) -> Array:
    """Return what ONNX Runtime gives."""
    names = ["" if x is None else f"x{k}" for k, x in enumerate(one.inputs)]
    given = [(n, x) for n, x in zip(names, one.inputs, strict=True) if x is not None]
    computed = given[: one.computed]
    node = helper.make_node(one.op, names, ["y"], **dict[str, Any](one.attributes))
    inputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in computed]
    graph = helper.make_graph(
        [node],
        "case",
        inputs,
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(x, n) for n, x in given[one.computed :]],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", one.opset)], ir_version=9)
    session = open_session(model.SerializeToString())
    result: Any = session.run(None, dict(computed))[0]
    return np.asarray(result)


def ours(one: Case) -> Array:
    """Return what our operator gives."""
    names = tuple("" if x is None else f"x{k}" for k, x in enumerate(one.inputs))
    node = Node(op=one.op, inputs=names, outputs=("y",), attributes=one.attributes)
    constants = [None if k < one.computed else x for k, x in enumerate(one.inputs)]
    with np.errstate(all="ignore"):
        return np.asarray(prepare(node, constants)(*one.inputs))


@pytest.mark.parametrize("one", CASES, ids=lambda c: f"{c.op}-{'-'.join(map(str, c.attributes.values()))}")
def test_operator_gives_what_onnx_runtime_gives(one: Case) -> None:
    expected, got = referee(one), ours(one)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-6)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("file", names("edgewright.core.operators"))
def test_every_file_is_a_family_of_operators(file: str) -> None:
    source = __import__(f"edgewright.core.operators.{file}", fromlist=[file])
    assert "operator(" in inspect.getsource(source)


@pytest.mark.parametrize(
    "op",
    _DIALECT.split(),
)
def test_operator_of_the_dialect_is_there(op: str) -> None:
    assert op in operator.known


def test_unknown_operator_is_named_with_its_node() -> None:
    node = Node(op="Sofmax", inputs=("x",), outputs=("v7",))
    with pytest.raises(UnknownNameError, match=r"no operator 'Sofmax'.*Did you mean 'Softmax'.*gives 'v7'"):
        prepare(node, [None])


@pytest.mark.parametrize(
    "node",
    [
        Node(op="Cast", inputs=("x",), outputs=("y",), attributes={"to": 16}),
        Node(op="Conv", inputs=("x", "w"), outputs=("y",), attributes={"kernel_shape": (3,), "strides": (0,)}),
        Node(op="MaxPool", inputs=("x",), outputs=("y",)),
        Node(op="Pad", inputs=("x", "w"), outputs=("y",), attributes={"mode": "wrap"}),
        Node(op="ReduceSum", inputs=("x", "w"), outputs=("y",)),
        Node(op="QuantizeLinear", inputs=("x", "w"), outputs=("y",), attributes={"output_dtype": 1}),
        Node(op="Softmax", inputs=("x",), outputs=("y",), attributes={"axis": "last"}),
        Node(op="Conv", inputs=("x", "w"), outputs=("y",), attributes={"kernel_shape": (3,), "auto_pad": "FULL"}),
    ],
    ids=lambda n: n.op,
)
def test_what_an_operator_cannot_do_is_refused_by_name(node: Node) -> None:
    with pytest.raises(OnnxError, match=node.op):
        prepare(node, [None] * len(node.inputs))
