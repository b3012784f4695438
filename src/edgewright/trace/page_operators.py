"""Operators of the dialect as the interpreter of a page takes them: axes from the front, paddings as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgewright.core.operators._windows import geometry
from edgewright.schema.graph import Array, Node

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
    one, none = (1,) * (2 - len(shape)), (0,) * (2 - len(shape))
    return node.inputs, {
        "kernel": (*one, *plan.kernel),
        "strides": (*one, *plan.strides),
        "dilations": (*one, *plan.dilations),
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
