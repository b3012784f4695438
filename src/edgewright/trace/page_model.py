"""The exported model as a page can run it: its operators as lines of text with every shape known, weights packed.

The interpreter is `templates/what_if.js`. A page answers one sample at a time, so shapes, paddings and axes are worked
out here once, by a run of the desk's executor, and the interpreter only computes: axes count from the front, paddings
are numbers.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.operators._attributes import geometry
from edgewright.core.prediction.executor import compile_graph
from edgewright.graph.builder import leading_to
from edgewright.schema.graph import Array, Graph, Node

Numbers = dict[str, float | tuple[int, ...]]
Lowered = tuple[tuple[str, ...], Numbers]
"""Names of the inputs that are left, and attributes."""
Lower = Callable[[Node, dict[str, Array]], Lowered]

SAME = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Operators that keep every value in its order."""
_PLAIN = (
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    "And", "Or", "Xor", "Where", "Abs", "Neg", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Round", "Reciprocal", "Sign",
    "Sin", "Cos", "Erf", "Relu", "Sigmoid", "Tanh", "Not", "IsNaN", "Cast", "Clip", "MatMul",
)  # fmt: skip
_REDUCTIONS = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSumExp",
)  # fmt: skip
_MODES = ("constant", "edge", "reflect")


def _integer(node: Node, name: str, default: int) -> int:
    value: Any = node.attributes.get(name, default)
    return int(value)


def _number(node: Node, name: str, default: float) -> float:
    value: Any = node.attributes.get(name, default)
    return float(value)


def _integers(node: Node, name: str) -> tuple[int, ...] | None:
    value: Any = node.attributes.get(name)
    return None if value is None else tuple(int(v) for v in value)


def _given(node: Node, values: dict[str, Array], index: int, attribute: str = "") -> tuple[int, ...] | None:
    """Return integers that are an input, or in older operator sets an attribute."""
    if len(node.inputs) > index and node.inputs[index]:
        return tuple(int(v) for v in values[node.inputs[index]].ravel())
    return _integers(node, attribute) if attribute else None


def _front(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _plain(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs, {}


def _alone(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs[:1], {}


def _along(default: int) -> Lower:
    """Return the lowering of operators that work along one axis."""

    def lower(node: Node, values: dict[str, Array]) -> Lowered:
        axis = _front(_integer(node, "axis", default), values[node.inputs[0]].ndim)
        return node.inputs, {"axis": axis, "last": _integer(node, "select_last_index", 0)}

    return lower


def _reduced(node: Node, values: dict[str, Array]) -> Lowered:
    rank = values[node.inputs[0]].ndim
    axes = tuple(_front(axis, rank) for axis in _given(node, values, 1, "axes") or ())
    if not axes and not _integer(node, "noop_with_empty_axes", 0):
        axes = tuple(range(rank))
    return node.inputs[:1], {"axes": axes}


def _everywhere(node: Node, values: dict[str, Array]) -> Lowered:
    return node.inputs, {"axes": tuple(range(2, values[node.inputs[0]].ndim))}


def _gemm(node: Node, values: dict[str, Array]) -> Lowered:
    defaults = {"transA": 0.0, "transB": 0.0, "alpha": 1.0, "beta": 1.0}
    return node.inputs, {name: _number(node, name, default) for name, default in defaults.items()}


def _slid(node: Node, values: dict[str, Array]) -> Lowered:
    """Convolution and pooling: always two spatial axes; what `ceil_mode` adds is among the ends."""
    shape = values[node.inputs[0]].shape[2:]
    plan = geometry(node, _integers(node, "kernel_shape") or values[node.inputs[1]].shape[2:])
    around, beyond = plan.padding(shape), plan.overhang(shape)
    ones_before, none = (1,) * (2 - len(shape)), (0,) * (2 - len(shape))
    return node.inputs, {
        "kernel": (*ones_before, *plan.kernel),
        "strides": (*ones_before, *plan.strides),
        "dilations": (*ones_before, *plan.dilations),
        "begins": (*none, *(before for before, _ in around)),
        "ends": (*none, *(after for _, after in around)),
        "beyond": (*none, *beyond),
        "group": _integer(node, "group", 1),
        "counted": _integer(node, "count_include_pad", 0),
    }


def _transposed(node: Node, values: dict[str, Array]) -> Lowered:
    order = _integers(node, "perm") or tuple(reversed(range(values[node.inputs[0]].ndim)))
    return node.inputs, {"perm": tuple(_front(axis, len(order)) for axis in order)}


def _sliced(node: Node, values: dict[str, Array]) -> Lowered:
    """Where along every axis the first entry comes from, and the step to the next."""
    shape = values[node.inputs[0]].shape
    starts = _given(node, values, 1, "starts") or ()
    ends = _given(node, values, 2, "ends") or ()
    axes = _given(node, values, 3, "axes") or tuple(range(len(starts)))
    steps = _given(node, values, 4) or (1,) * len(starts)
    begins, strides = [0] * len(shape), [1] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        stop = None if step < 0 and end < -(2**31) else end
        begins[axis], _, strides[axis] = slice(start, stop, step).indices(shape[axis])
    return node.inputs[:1], {"begins": tuple(begins), "strides": tuple(strides), "mode": 0}


def _padded(node: Node, values: dict[str, Array]) -> Lowered:
    widths = _given(node, values, 1, "pads") or ()
    axes = _given(node, values, 3) or tuple(range(len(widths) // 2))
    rank = values[node.inputs[0]].ndim
    begins = [0] * rank
    for before, axis in zip(widths, axes, strict=False):
        begins[axis] = -before
    fill = values[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
    mode = str(node.attributes.get("mode", "constant"))
    return node.inputs[:1], {
        "begins": tuple(begins),
        "strides": (1,) * rank,
        "mode": _MODES.index(mode),
        "fill": 0.0 if fill is None else float(fill.reshape(())),
    }


def _sequence(node: Node) -> Numbers:
    return {"sequence": int(node.attributes["window"] == "sequence")}


LOWERED: dict[str, Lower] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(SAME, _alone),
    **dict.fromkeys(_REDUCTIONS, _reduced),
    **dict.fromkeys(("Concat", "Gather", "GatherElements", "ArgMax", "ArgMin"), _along(0)),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _everywhere),
    **dict.fromkeys(("Conv", "MaxPool", "AveragePool"), _slid),
    "LSTM": lambda node, values: (node.inputs, _sequence(node)),
    "GRU": lambda node, values: (node.inputs, {**_sequence(node), "late": _integer(node, "linear_before_reset", 0)}),
    "Softmax": _along(-1),
    "LeakyRelu": lambda node, values: (node.inputs, {"alpha": _number(node, "alpha", 0.01)}),
    "Gemm": _gemm,
    "Transpose": _transposed,
    "Expand": _alone,
    "Slice": _sliced,
    "Pad": _padded,
}
"""How an operator is handed to the interpreter, by its name; what is not here, the interpreter does not know."""


_KINDS = {"f": "f", "i": "i", "u": "i", "b": "b"}


class PageModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a page runs.

    Attributes:
        program: a line for each value after the input (number 1): constants 'f 3,4' in order, then operators 'Gemm
            1,2,3 f 1,16 transB=1' with inputs by number (0: left out), kind, shape and attributes.
        weights: the constants one after the other, 4 bytes each, `packed`.
        answer: number of the value with the probabilities or the prediction.
        missing: operators that the interpreter does not know; the rest is then empty.
    """

    program: str = ""
    weights: str = ""
    answer: int = 0
    missing: tuple[str, ...] = ()


def page_model(graph: Graph) -> PageModel:
    """Return the exported model for a page.

    Args:
        graph: with one input, as it is exported.
    """
    nodes = leading_to(graph, [_answer(graph)])
    missing = sorted({node.op for node in nodes if node.op not in LOWERED})
    if missing:
        return PageModel(missing=tuple(missing))
    values = _values(graph, nodes)
    return _Packer(graph, nodes, values).pack()


def packed(values: bytes) -> str:
    """Return bytes for an attribute of the page: deflated (zlib) and base64; the page inflates them."""
    return base64.b64encode(zlib.compress(values, 9)).decode()


def value_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value for one sample, without the batch axis."""
    values = _values(graph, leading_to(graph, [_answer(graph)]))
    return {name: tuple(value.shape[1:]) for name, value in values.items()}


def _answer(graph: Graph) -> str:
    return "probabilities" if graph.labels else graph.outputs[0].name


def _values(graph: Graph, nodes: Sequence[Node]) -> dict[str, Array]:
    names = [node.outputs[0] for node in nodes]
    zeros = np.zeros((1, *graph.inputs[0].shape), graph.inputs[0].dtype)
    return {**graph.constants, graph.inputs[0].name: zeros, **compile_graph(graph, names)(zeros)}


class _Packer:
    """Numbers the values and writes the lines."""

    def __init__(self, graph: Graph, nodes: Sequence[Node], values: dict[str, Array]) -> None:
        self.graph, self.values = graph, values
        self.lines: list[str] = []
        self.weights: list[NDArray[np.generic]] = []
        self.numbers = {"": 0, graph.inputs[0].name: 1}
        moving = {graph.inputs[0].name}
        self.nodes = []
        for node in nodes:
            # What does not depend on the input is a constant by its value.
            if moving.intersection(node.inputs):
                moving.add(node.outputs[0])
                self.nodes.append(node)

    def pack(self) -> PageModel:
        lowered = [(node, *LOWERED[node.op](node, self.values)) for node in self.nodes]
        computed = {node.outputs[0] for node in self.nodes}
        for _, inputs, _ in lowered:
            for name in inputs:
                if name not in self.numbers and name not in computed:
                    self._constant(name)
        for node, inputs, attributes in lowered:
            out = self.values[node.outputs[0]]
            written = " ".join(f"{key}={_text(value)}" for key, value in attributes.items())
            op = "Same" if node.op in SAME else node.op
            given = _listed(self.numbers[name] for name in inputs)
            self._add(node.outputs[0], f"{op} {given} {_KINDS[out.dtype.kind]} {_listed(out.shape)} {written}".rstrip())
        raw = b"".join(array.tobytes() for array in self.weights)
        return PageModel(program="\n".join(self.lines), weights=packed(raw), answer=self.numbers[_answer(self.graph)])

    def _constant(self, name: str) -> None:
        array = self.values[name]
        kind = _KINDS[array.dtype.kind]
        limits = np.iinfo(np.int32)
        self.weights.append(
            np.ascontiguousarray(array, "<f4")
            if kind == "f"
            else np.ascontiguousarray(np.clip(array.astype(np.int64), limits.min, limits.max), "<i4")
        )
        self._add(name, f"{kind} {_listed(array.shape)}".rstrip())

    def _add(self, name: str, line: str) -> None:
        self.lines.append(line)
        self.numbers[name] = len(self.lines) + 1


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(str(int(n)) for n in numbers) or "-"


def _text(value: float | tuple[int, ...]) -> str:
    return _listed(value) if isinstance(value, tuple) else f"{value:.9g}"
