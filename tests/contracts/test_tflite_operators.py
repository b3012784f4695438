"""Every operator of a float graph that .tflite knows gives what its NumPy form gives, in LiteRT and in TFLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgewright.core.errors import InputError
from edgewright.core.operators import operator as numpy_operators
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.builder import Builder
from integer_layers import need_litert
from tflite_files import Engine, answers

X = (3, 4, 5)
Inputs = Callable[[Builder], tuple[str, ...]]
# What the reference kernels of LiteRT lack, and what TFLM does.
NOT_IN_LITERT = {"Ceil", "Round", "LeakyRelu"}
NOT_IN_TFLM = {"Sign", "Pow 1.5", "Where of whole numbers", "Gather of whole numbers", "Expand of whole numbers"}


def one(b: Builder, *shape: int, start: int = 0) -> str:
    """Return some of the input in a shape."""
    cut = b.op("Slice", b.input, b.integers(start), b.integers(start + int(np.prod(shape))), b.integers(1))
    return b.op("Reshape", cut, b.integers(1, *shape))


def positive(b: Builder) -> str:
    return b.op("Add", b.op("Abs", one(b, *X)), b.number(0.1))


def given(b: Builder, *shape: int) -> str:
    return b.constant(np.random.default_rng(4).uniform(-2, 2, shape).astype(np.float32))


def truth(b: Builder, start: int = 0) -> str:
    return b.op("Greater", one(b, *X, start=start), b.number(0.0))


def whole(b: Builder, *shape: int) -> str:
    return b.op("Cast", b.op("Abs", one(b, *shape)), to=6)


def x(b: Builder) -> tuple[str, ...]:
    return (one(b, *X),)


def two(b: Builder) -> tuple[str, ...]:
    return one(b, *X), one(b, *X, start=60)


def over(*axes: int) -> Inputs:
    return lambda b: (one(b, *X), b.integers(*axes))


CASES: dict[str, tuple[Inputs, dict[str, Any]]] = {
    **{f"{op} of two": (two, {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")},
    **{f"{op} broadcast": (lambda b: (one(b, 3, 1, 5), given(b, 4, 1)), {}) for op in ("Add", "Sub", "Mul", "Max")},
    **{op: (x, {}) for op in ("Neg", "Abs", "Exp", "Floor", "Ceil", "Round", "Sin", "Cos", "Tanh", "Identity", "Relu")},
    **{op: (x, {}) for op in ("Sign", "Sigmoid")},
    **{op: (lambda b: (positive(b),), {}) for op in ("Sqrt", "Log", "Reciprocal")},
    "Erf": (lambda b: (b.op("Mul", one(b, *X), b.number(1.7)),), {}),
    "Max of three": (lambda b: (*two(b), b.number(0.2)), {}),
    "LeakyRelu": (x, {"alpha": 0.3}),
    "Pow 2": (lambda b: (one(b, *X), b.number(2.0)), {}),
    "Pow 1.5": (lambda b: (positive(b), b.number(1.5)), {}),
    "Clip": (lambda b: (one(b, *X), b.number(-1.0), b.number(1.0)), {}),
    "Clip above": (lambda b: (one(b, *X), "", b.number(1.0)), {}),
    "Where": (lambda b: (truth(b), one(b, *X), given(b, 1)), {}),
    "Where of whole numbers": (lambda b: (truth(b), whole(b, *X), b.constant(np.asarray(3, np.int32))), {}),
    **{op: (two, {}) for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")},
    **{op: (lambda b: (truth(b), truth(b, 60)), {}) for op in ("And", "Or", "Xor")},
    "Not": (lambda b: (truth(b),), {}),
    "IsNaN": (lambda b: (b.op("Where", truth(b), one(b, *X), b.number(float("nan"))),), {}),
    "Cast": (x, {"to": 6}),
    "Cast to the same": (x, {"to": 1}),
    "Cast of truths": (lambda b: (truth(b),), {"to": 1}),
    **{
        f"{op} {axes}": (over(*axes), {"keepdims": axes[0] % 2})
        for op in ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
        for axes in ((3,), (1, 2), (-2,))
    },
    "ReduceSumSquare": (lambda b: (one(b, *X), b.integers(2)), {}),
    "ReduceSum of nothing": (x, {"noop_with_empty_axes": 1}),
    "ReduceProd": (lambda b: (one(b, *X), b.integers(2)), {"keepdims": 0}),
    "ArgMax": (lambda b: (b.op("Floor", one(b, *X)),), {"axis": 2, "keepdims": 0}),
    "ArgMin": (lambda b: (b.op("Floor", one(b, *X)),), {"axis": -1, "keepdims": 1}),
    "ArgMax of two": (lambda b: (b.op("Floor", one(b, 3, 2, 5)),), {"axis": 2, "keepdims": 0}),
    "ArgMin of two": (lambda b: (b.op("Floor", one(b, 15, 2)),), {"axis": -1, "keepdims": 1}),
    "Softmax": (x, {"axis": -1}),
    "Transpose": (x, {"perm": (0, 2, 3, 1)}),
    "Transpose reversed": (lambda b: (b.op("Reshape", one(b, *X), b.integers(4, 15, 1)),), {}),
    "Reshape": (lambda b: (one(b, *X), b.integers(1, 4, 15)), {}),
    "Flatten": (x, {"axis": 1}),
    "Squeeze": (lambda b: (one(b, 3, 1, 5), b.integers(2)), {}),
    "Unsqueeze": (lambda b: (one(b, 3, 5), b.integers(2)), {}),
    "Expand": (lambda b: (one(b, 3, 1, 5), b.integers(1, 3, 4, 5)), {}),
    "Expand of whole numbers": (lambda b: (whole(b, 3, 1, 5), b.integers(1, 3, 4, 5)), {}),
    "Slice": (lambda b: (one(b, *X), b.integers(1, -4), b.integers(5, -1), b.integers(1, 3), b.integers(1, 1)), {}),
    "Slice by twos": (lambda b: (one(b, *X), b.integers(0), b.integers(9), b.integers(3), b.integers(2)), {}),
    "Slice backwards": (
        lambda b: (one(b, *X), b.integers(-1, 0), b.integers(-(2**40), 3), b.integers(3, 2), b.integers(-2, 1)),
        {},
    ),
    "Gather": (lambda b: (one(b, *X), b.integers(2, 0, -1)), {"axis": 2}),
    "Gather of two axes": (
        lambda b: (one(b, 60), b.constant(np.arange(6)[:, None] * 8 + np.arange(12))),
        {"axis": 1},
    ),
    "Gather computed": (lambda b: (given(b, 5, 4), whole(b, 3, 2)), {"axis": 0}),
    "Gather of whole numbers": (lambda b: (whole(b, 5, 4), b.integers(1, 3)), {"axis": 2}),
    "GatherElements": (lambda b: (one(b, 6), whole(b, 4)), {"axis": 1}),
    "GatherElements by constants": (lambda b: (one(b, 6), b.constant(np.asarray([[5, 0, -2]]))), {"axis": 1}),
    "Concat": (lambda b: (one(b, *X), b.op("Neg", one(b, 3, 2, 5))), {"axis": 2}),
    "Concat of many": (lambda b: tuple(one(b, 2, start=i) for i in range(23)), {"axis": -1}),
    "Pad": (lambda b: (one(b, *X), b.integers(0, 0, 1, 2, 0, 1, 0, 0)), {}),
    "Pad with sevens": (lambda b: (one(b, *X), b.integers(0, 0, 1, 2, 0, 1, 0, 0), b.number(7.0)), {}),
    "Pad of one axis": (lambda b: (one(b, *X), b.integers(3, 1), "", b.integers(2)), {}),
    "Pad reflected": (lambda b: (one(b, *X), b.integers(0, 0, 0, 2, 0, 0, 0, 2)), {"mode": "reflect"}),
    "MatMul": (lambda b: (one(b, *X), given(b, 5, 6)), {}),
    "MatMul of computed": (lambda b: (one(b, *X), b.op("Exp", one(b, 3, 5, 2))), {}),
    "Gemm": (lambda b: (one(b, 20), given(b, 20, 7), given(b, 7)), {}),
    "Gemm turned": (lambda b: (one(b, 20), given(b, 7, 20), given(b, 1, 7)), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    "Conv": (
        lambda b: (one(b, *X), given(b, 4, 3, 3, 2), given(b, 4)),
        {"pads": (1, 0, 1, 1), "strides": (2, 1), "dilations": (1, 2)},
    ),
    "Conv of one axis": (lambda b: (one(b, 4, 11), given(b, 8, 1, 3)), {"group": 4, "pads": (2, 0)}),
    "MaxPool": (x, {"kernel_shape": (3, 2), "strides": (2, 2), "pads": (0, 1, 2, 0)}),
    "MaxPool of one axis": (lambda b: (one(b, 4, 11),), {"kernel_shape": (3,), "strides": (2,), "pads": (1, 1)}),
    "AveragePool": (x, {"kernel_shape": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 0)}),
    "AveragePool of one axis": (lambda b: (one(b, 4, 11),), {"kernel_shape": (5,), "strides": (3,), "pads": (2, 1)}),
    "GlobalAveragePool": (x, {}),
    "GlobalMaxPool": (lambda b: (one(b, 4, 11),), {}),
    **{
        f"GRU {window} {late}": (
            lambda b: (one(b, 4, 11), given(b, 1, 9, 4), given(b, 1, 9, 3), given(b, 1, 18)),
            {"hidden_size": 3, "linear_before_reset": late, "window": window},
        )
        for window in ("last", "sequence")
        for late in (0, 1)
    },
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_gives_what_numpy_gives(case: str) -> None:
    op, (make, attributes) = case.split(maxsplit=1)[0], CASES[case]
    b = Builder("case", (120,))
    output = b.op(op, *make(b), **attributes)
    value = output if op not in ("ArgMax", "ArgMin") else b.op("Cast", output, to=6)
    rows = np.random.default_rng(11).uniform(-3, 3, (4, 120)).astype(np.float32)
    probe = compile_graph(b.finish({"y": (value, "float32", (1,))}))
    wanted = np.stack([probe(row[None])["y"].ravel() for row in rows])
    graph = b.finish({"y": (value, "float32", (1,))})
    engines: list[Engine] = ["xnnpack" if op in NOT_IN_LITERT else "litert"]
    engines += [] if case in NOT_IN_TFLM else ["tflm"]
    for engine in engines:
        outputs = answers(graph, None, rows, engine)[0]["y"].reshape(len(rows), -1)
        np.testing.assert_allclose(outputs, wanted, rtol=2e-6, atol=4e-6, err_msg=engine)


def test_every_operator_has_a_case_and_a_numpy_form() -> None:
    need_litert()
    from edgewright.export import tflite_graph_operators

    known = set(tflite_graph_operators.says.known)
    assert known == {case.split(maxsplit=1)[0] for case in CASES} and known <= set(numpy_operators.known)


@pytest.mark.parametrize(
    ("op", "make", "attributes", "message"),
    [
        ("Softmax", x, {"axis": 1}, "softmax over the last axis, got axis 1"),
        ("ArgMax", x, {"axis": 1, "select_last_index": 1}, "the first of equal values"),
        ("Pad", lambda b: (one(b, *X), b.integers(0, 0, 0, 2, 0, 0, 0, 2)), {"mode": "edge"}, "constant or reflect"),
        ("GatherElements", lambda b: (one(b, *X), whole(b, 3, 4, 5)), {"axis": 3}, "one row of values"),
        ("ReduceProd", lambda b: (one(b, *X), b.integers(1, 2)), {}, "the product of at most 16 values"),
        ("MaxPool", x, {"kernel_shape": (2, 2), "dilations": (2, 1)}, "a max pool without dilations"),
        ("AveragePool", x, {"kernel_shape": (2, 2), "pads": (1, 0, 0, 0)}, "a mean by at most half its kernel"),
        ("Conv", lambda b: (one(b, *X), b.op("Exp", one(b, 3, 1, 1))), {"kernel_shape": (1, 1)}, "constant weights"),
        ("Gemm", lambda b: (one(b, 20), b.op("Reshape", one(b, 40), b.integers(20, 2))), {}, "constant weights"),
        (
            "GRU",
            lambda b: (one(b, 4, 11), b.op("Exp", one(b, 9, 4)), given(b, 1, 9, 3), given(b, 1, 18)),
            {"hidden_size": 3, "window": "last"},
            "constant weights, over a window",
        ),
    ],
)
def test_what_tflite_cannot_hold_is_refused_by_name(op: str, make: Inputs, attributes: Any, message: str) -> None:  # noqa: ANN401
    need_litert()
    from edgewright.export.tflite_whole import write_whole

    b = Builder("case", (120,))
    graph = b.finish({"y": (b.op(op, *make(b), **attributes), "float32", (1,))})
    with pytest.raises(InputError) as caught:
        write_whole(graph, None)
    assert message in str(caught.value) and f"operator {op} that gives 'y'" in str(caught.value)
