"""A graph that has every float operator of generated C, in its usual and its odd forms."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edgewright.core.records.network import Attribute, Graph
from edgewright.export.c99_operators import operator
from edgewright.graph.builder import Builder

RNG = np.random.default_rng(11)
X = (3, 4, 5)
IMAGE = (3, 9, 8)


class Make:
    """Builds one graph of all cases; each is a stage, so that its numbers can be seen on their own."""

    def __init__(self) -> None:
        self.builder = Builder("cases", (216,))
        self.ends: list[str] = []
        self.names: list[str] = []

    def part(self, *shape: int, start: int = 0, low: float | None = None) -> str:
        """Return some of the input in a shape; with `low`, no smaller than it."""
        b, size = self.builder, int(np.prod(shape))
        cut = b.op("Slice", b.input, b.integers(start), b.integers(start + size), b.integers(1))
        value = b.op("Reshape", cut, b.integers(1, *shape))
        return value if low is None else b.op("Add", b.op("Abs", value), b.number(low))

    def given(self, *shape: int) -> str:
        """Return a constant."""
        return self.builder.constant(RNG.uniform(-2, 2, shape).astype(np.float32))

    def truth(self, start: int = 0) -> str:
        """Return the text of true or false."""
        return self.builder.op("Greater", self.part(*X, start=start), self.builder.number(0.0))

    def case(self, op: str, *inputs: str, plain: bool = True, **attributes: Attribute) -> None:
        """One more case; `plain` says that it gives floats."""
        value = self.builder.op(op, *inputs, **attributes)
        if not plain:
            value = self.builder.op("Cast", value, to=1)
        self.ends.append(self.builder.op("Reshape", value, self.builder.integers(1, -1)))
        self.names.append(op)
        self.builder.stage(f"{len(self.names) - 1} {op}", self.ends[-1])


def _arithmetic(m: Make) -> None:
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min"):
        m.case(op, m.part(*X), m.part(*X, start=60))
        m.case(op, m.part(3, 1, 5), m.given(4, 1))
        m.case(op, m.given(1), m.part(*X))
    for op in ("Neg", "Abs", "Exp", "Floor", "Ceil", "Round", "Sin", "Cos", "Tanh", "Erf", "Identity", "Relu", "Sign"):
        m.case(op, m.part(*X))
    for op in ("Sqrt", "Log", "Reciprocal"):
        m.case(op, m.part(*X, low=0.1))
    m.case("Sigmoid", m.part(*X))
    m.case("LeakyRelu", m.part(*X), alpha=0.3)
    m.case("Pow", m.part(*X), m.builder.number(2.0))
    m.case("Pow", m.part(*X, low=0.1), m.builder.number(1.5))
    m.case("Clip", m.part(*X), m.builder.number(-1.0), m.builder.number(1.0))
    m.case("Clip", m.part(*X), "", m.builder.number(1.0))
    m.case("Where", m.truth(), m.part(*X), m.given(1))


def _logic(m: Make) -> None:
    for op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"):
        rounded = m.builder.op("Round", m.part(*X))
        m.case(op, rounded, m.builder.op("Round", m.part(*X, start=60)), plain=False)
    for op in ("And", "Or", "Xor"):
        m.case(op, m.truth(), m.truth(60), plain=False)
    m.case("Not", m.truth(), plain=False)
    m.case("IsNaN", m.builder.op("Where", m.truth(), m.part(*X), m.builder.number(float("nan"))), plain=False)
    m.case("Cast", m.part(*X), to=6, plain=False)


def _reductions(m: Make) -> None:
    for op in sorted(op for op in operator.known if op.startswith("Reduce")):
        for axes in ((3,), (1, 2), (2,)):
            m.case(op, m.part(*X), m.builder.integers(*axes), keepdims=axes[0] % 2)
        m.case(op, m.part(216), m.builder.integers(1))
    for op in ("ArgMax", "ArgMin"):
        m.case(op, m.builder.op("Round", m.part(*X)), axis=2, keepdims=0, plain=False)
        m.case(op, m.builder.op("Round", m.part(*X)), axis=-1, select_last_index=1, plain=False)
    m.case("Softmax", m.part(*X), axis=2)
    m.case("Softmax", m.part(*X), axis=-1)


def _moves(m: Make) -> None:
    b = m.builder
    turned = b.op("Transpose", m.part(*X), perm=(0, 3, 1, 2))
    m.case("Transpose", m.part(*X), perm=(0, 2, 3, 1))
    m.case("Reshape", turned, b.integers(1, 4, 15))
    m.case("Flatten", turned, axis=1)
    m.case("Squeeze", m.part(3, 1, 5), b.integers(2))
    m.case("Unsqueeze", m.part(3, 5), b.integers(2))
    m.case("Expand", m.part(3, 1, 5), b.integers(1, 3, 4, 5))
    m.case("Slice", turned, b.integers(1, -1), b.integers(5, -6), b.integers(1, 2), b.integers(2, -1))
    m.case("Gather", m.part(*X), b.integers(2, 0, -1), axis=2)
    m.case("Gather", turned, b.integers(1, 3), axis=1)
    m.case("Gather", m.part(60), b.constant(np.arange(6)[:, None] * 8 + np.arange(12)), axis=1)
    m.case("Gather", m.part(*X), b.constant(np.asarray(1)), axis=3)
    location = b.op("Cast", b.op("Abs", m.part(3, 2, 2)), to=6)
    m.case("Gather", m.given(5, 4), location, axis=0)
    m.case("Gather", m.given(4, 5), b.op("Neg", location), axis=-1)
    m.case("GatherElements", m.part(*X), b.op("Cast", b.op("Abs", m.part(3, 6, 5)), to=6), axis=2)
    m.case("GatherElements", turned, b.op("Cast", b.op("Abs", m.part(5, 3, 1)), to=6), axis=3)
    m.case("Concat", m.part(*X), b.op("Neg", m.part(3, 2, 5)), axis=2)
    m.case("Pad", m.part(*X), b.integers(0, 0, 1, 2, 0, 1, 0, 0), b.number(7.0))
    m.case("Pad", m.part(*X), b.integers(3, 1), "", b.integers(2))


def _products(m: Make) -> None:
    b = m.builder
    m.case("MatMul", m.part(*X), m.given(5, 6))
    m.case("MatMul", b.op("Transpose", m.part(*X), perm=(0, 1, 3, 2)), m.given(4, 3))
    m.case("MatMul", m.part(*X), b.constant((np.eye(5, 9) + np.eye(5, 9, 2)).astype(np.float32)))
    m.case("MatMul", m.part(*X), b.op("Exp", m.part(3, 5, 2)))
    m.case("Gemm", m.part(20), m.given(20, 7), m.given(7))
    m.case("Gemm", m.part(20), m.given(7, 20), m.given(1, 7), transB=1, alpha=0.5, beta=2.0)
    x, image = m.part(4, 11), m.part(*IMAGE)
    m.case("Conv", x, m.given(6, 4, 3), m.given(6))
    m.case("Conv", x, m.given(6, 2, 3), group=2, strides=(2,), pads=(1, 2), dilations=(2,))
    m.case("Conv", x, m.given(8, 1, 4), group=4, auto_pad="SAME_UPPER")
    m.case("Conv", image, m.given(4, 3, 3, 2), m.given(4), pads=(1, 0, 1, 1), strides=(2, 1), dilations=(1, 2))
    for op in ("MaxPool", "AveragePool"):
        m.case(op, x, kernel_shape=(3,), strides=(2,), pads=(1, 1))
        m.case(op, x, kernel_shape=(4,), strides=(3,), ceil_mode=1)
        m.case(op, image, kernel_shape=(3, 2), strides=(2, 2), pads=(1, 0, 1, 1))
    m.case("AveragePool", x, kernel_shape=(3,), pads=(1, 1), count_include_pad=1)
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        m.case(op, x)
        m.case(op, image)


def _recurrent(m: Make) -> None:
    for op, gates in (("LSTM", 20), ("GRU", 15)):
        weights = [m.given(1, gates, 3), m.given(1, gates, 5), m.given(1, 2 * gates)]
        forms: list[dict[str, Any]] = [{}, *([{"linear_before_reset": 1}] if op == "GRU" else [])]
        small = m.builder.op("Mul", m.part(3, 7), m.builder.number(0.3))
        for window in ("last", "sequence"):
            for form in forms:
                m.case(op, small, *weights, hidden_size=5, window=window, **form)


@cache
def case_graph() -> Make:
    """All cases."""
    make = Make()
    for family in (_arithmetic, _logic, _reductions, _moves, _products, _recurrent):
        family(make)
    return make


@cache
def cases() -> Graph:
    """Return the graph of them, one output after the other."""
    b = case_graph().builder
    return b.finish({"prediction": (b.op("Concat", *case_graph().ends, axis=1), "float32", (1,))})
