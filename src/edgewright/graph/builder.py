"""Builder of graphs in the dialect, formulas for NumPy and ONNX, and the mask of missing values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.samples import needed
from edgewright.core.records.network import Array, Attribute, Graph, Node, StageMark
from edgewright.core.records.network import Value as GraphValue


def leading_to(graph: Graph, values: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes on which some values depend, in their order."""
    needed, kept = set(values), list[Node]()
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(kept[::-1])


def prune(graph: Graph) -> Graph:
    """Remove nodes and constants on which no output and no stage end depends."""
    ends = {v.name for v in graph.outputs} | {mark.value for mark in graph.stages} | {graph.boundary}
    nodes = leading_to(graph, ends)
    needed = ends.union(*(node.inputs for node in nodes))
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return msgspec.structs.replace(graph, nodes=nodes, constants=constants)


class Builder:
    """Collects nodes and constants; `finish` gives the frozen graph.

    Args:
        name: name of the graph.
        input_name: name of its one input.
        shape: shape of one sample, without the batch axis: (columns,) or (channels, samples).
        labels: names of the classes, in the order of the probabilities.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], *, input_name: str = "input", labels: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.input = input_name
        self.labels = labels
        self._inputs = (GraphValue(name=input_name, shape=shape),)
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = {}
        self._by_content: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._stages: list[StageMark] = []
        self._boundary = ""
        self._count = 0

    def constant(self, array: Array) -> str:
        """Return the name of a constant; equal arrays (dtype, shape and bytes) share one name."""
        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._by_content:
            name = f"c{len(self._constants)}"
            self._by_content[key] = name
            self._constants[name] = array
        return self._by_content[key]

    def number(self, value: float) -> str:
        """Return a float32 scalar constant."""
        return self.constant(np.asarray(value, np.float32))

    def integers(self, *values: int) -> str:
        """Return an int64 vector constant, for Reshape, Slice and the reductions."""
        return self.constant(np.asarray(values, np.int64))

    def op(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Append an operator with one output and return the name of the output."""
        self._count += 1
        output = f"v{self._count}"
        self._nodes.append(Node(op=op, inputs=inputs, outputs=(output,), attributes=attributes))
        return output

    def shared(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Append a node as `op` does, or return the output of an equal node."""
        for node in self._nodes:
            if node.op == op and node.inputs == inputs and node.attributes == attributes:
                return node.outputs[0]
        return self.op(op, *inputs, **attributes)

    def stage(self, name: str, value: str) -> None:
        """Mark `value` as the output of the stage `name`."""
        self._stages.append(StageMark(stage=name, value=value))

    def boundary(self, value: str) -> None:
        """Mark `value` as the end of float preprocessing, after which the int8 network may begin."""
        self._boundary = value

    def finish(
        self, outputs: dict[str, tuple[str, str, tuple[int, ...]]], metadata: dict[str, str] | None = None
    ) -> Graph:
        """Freeze the graph.

        Args:
            outputs: public name -> (value, dtype, shape without the batch axis).
            metadata: text that is stored in the model.
        """
        public = {value: name for name, (value, _, _) in outputs.items()}
        rename = {value: public.get(value, value) for node in self._nodes for value in node.outputs}
        nodes = tuple(
            Node(
                op=node.op,
                inputs=tuple(rename.get(v, v) for v in node.inputs),
                outputs=tuple(rename[v] for v in node.outputs),
                attributes=node.attributes,
            )
            for node in self._nodes
        )
        return Graph(
            name=self.name,
            inputs=self._inputs,
            outputs=tuple(GraphValue(name=n, dtype=dtype, shape=shape) for n, (_, dtype, shape) in outputs.items()),
            nodes=nodes,
            constants=self._constants,
            stages=tuple(StageMark(stage=s.stage, value=rename.get(s.value, s.value)) for s in self._stages),
            boundary=rename.get(self._boundary, self._boundary),
            labels=self.labels,
            metadata=metadata or {},
        )


# A NumPy array or a Term. No type of Python expresses both and keeps +, - and *.
Value = Any
# The largest number of float32; number of float32 among the types of ONNX (TensorProto.DataType).
_LARGEST, _FLOAT = float(np.finfo(np.float32).max), 1


def _operators(op: str) -> tuple[Callable[[Term, Value], Term], Callable[[Term, Value], Term]]:
    """Return the methods of an operator with a term on its left, and on its right."""

    def left(self: Term, other: Value) -> Term:
        return Term(self.builder, self.builder.op(op, self.name, self.named(other)))

    def right(self: Term, other: Value) -> Term:
        return Term(self.builder, self.builder.op(op, self.named(other), self.name))

    return left, right


class Term:
    """A value of a graph under construction; arithmetic appends operators.

    Args:
        builder: builder of the graph.
        name: name of the value.
    """

    # With this, NumPy arrays on the left of an operator use the reflected methods below.
    __array_ufunc__ = None

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name = name

    def op(self, op: str, *inputs: str, **attributes: Any) -> Term:  # noqa: ANN401 - any ONNX attribute
        """Append an operator on this value and named inputs."""
        return Term(self.builder, self.builder.op(op, self.name, *inputs, **attributes))

    def named(self, other: Value) -> str:
        """Name of another operand: a term, or a number or array that becomes a float32 constant."""
        if isinstance(other, Term):
            return other.name
        return self.builder.constant(np.asarray(other, np.float32))

    __add__, __radd__ = _operators("Add")
    __sub__, __rsub__ = _operators("Sub")
    __mul__, __rmul__ = _operators("Mul")
    __truediv__, __rtruediv__ = _operators("Div")

    def __neg__(self) -> Term:
        return self.op("Neg")


def _of_one(op: str, compute: Callable[..., Value]) -> Callable[[Value], Value]:
    return lambda x: x.op(op) if isinstance(x, Term) else compute(x)


sqrt = _of_one("Sqrt", np.sqrt)
log = _of_one("Log", np.log)
exp = _of_one("Exp", np.exp)
absolute = _of_one("Abs", np.abs)
# Halves are rounded to the even neighbour.
nearest = _of_one("Round", np.rint)
# The larger of x and 0.
relu = _of_one("Relu", lambda x: np.maximum(x, 0.0))


def clip(x: Value, low: float, high: float) -> Value:
    """Return limits x to low..high; a missing value stays missing."""
    if isinstance(x, Term):
        return x.op("Clip", x.builder.number(low), x.builder.number(high))
    return np.clip(x, np.float32(low), np.float32(high))


def present(x: Value) -> Value:
    """Return where values are present; NaN and infinite values are missing."""
    if isinstance(x, Term):
        size = x.builder.shared("Abs", x.name)
        return Term(x.builder, x.builder.shared("LessOrEqual", size, x.builder.number(_LARGEST)))
    return np.isfinite(x)


def counted(length: Value, axis: int) -> Value:
    """Return the number of true values along an axis as a float; the axis is kept unless it is the only one."""
    if isinstance(length, Term):
        builder = length.builder
        numbers = builder.shared("Cast", length.name, to=_FLOAT)
        return Term(builder, builder.shared("ReduceSum", numbers, builder.integers(axis), keepdims=1))
    return length.sum(axis=axis, keepdims=True, dtype=np.float64)


def choose(condition: Value, yes: Value, no: Value) -> Value:
    """Return one of two values by a condition, with broadcasting."""
    if isinstance(condition, Term):
        return Term(condition.builder, condition.builder.op("Where", *map(condition.named, (condition, yes, no))))
    return np.where(condition, yes, no)


def at_least(x: Value, low: float) -> Value:
    """Return the larger of x and a number."""
    return x.op("Max", x.builder.number(low)) if isinstance(x, Term) else np.maximum(x, low)


def fill(x: Value, values: Value) -> Value:
    """Put `values` (broadcast against x) where x is missing."""
    return choose(present(x), x, values)


def matmul(x: Value, matrix: NDArray[np.float32]) -> Value:
    """Return the matrix product over the last axis: (..., a) x (a, b) -> (..., b)."""
    if isinstance(x, Term):
        return x.op("MatMul", x.named(matrix))
    # One large product is far faster than NumPy's loop over many small ones.
    flat = x.reshape(-1, x.shape[-1]) @ matrix.astype(np.float64)
    return flat.reshape(*x.shape[:-1], matrix.shape[1])


def take(x: Value, indices: NDArray[np.int64], axis: int) -> Value:
    """Select along an axis; two-dimensional `indices` replace the axis by two axes."""
    if isinstance(x, Term):
        return x.op("Gather", x.builder.constant(np.asarray(indices, np.int64)), axis=axis)
    return np.take(x, indices, axis=axis)


def cut(x: Value, start: int, stop: int, axis: int) -> Value:
    """Return slices start..stop of an axis; a negative stop counts from the end."""
    if isinstance(x, Term):
        whole = x.builder.integers
        return x.op("Slice", whole(start), whole(stop), whole(axis))
    picks: list[slice] = [slice(None)] * x.ndim
    picks[axis] = slice(start, stop)
    return x[tuple(picks)]


def join(parts: Sequence[Value], axis: int) -> Value:
    """Concatenate along an axis."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if isinstance(first, Term):
        return Term(first.builder, first.builder.op("Concat", *(p.name for p in parts), axis=axis))
    return np.concatenate(parts, axis=axis)


def reshape(x: Value, shape: tuple[int, ...]) -> Value:
    """Reshape; 0 keeps an axis (the batch axis comes first), and -1 takes the remaining values of a sample."""
    if isinstance(x, Term):
        return x.op("Reshape", x.builder.integers(*shape))
    kept = [x.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    if -1 in kept:
        # NumPy cannot infer -1 for an empty batch, so it is computed from the axes of one sample.
        rest = int(np.prod([size for size in kept[1:] if size != -1]))
        kept[kept.index(-1)] = int(np.prod(x.shape[1:])) // rest
    return x.reshape(kept)


def transpose(x: Value, order: tuple[int, ...]) -> Value:
    """Reorder the axes."""
    return x.op("Transpose", perm=order) if isinstance(x, Term) else np.transpose(x, order)


def _reduction(op: str, method: str) -> Callable[..., Value]:
    """Return a function of a value and an axis, which stays with length 1 where `keep` is given."""

    def reduce(x: Value, axis: int, *, keep: bool = False) -> Value:
        if isinstance(x, Term):
            return x.op(op, x.builder.integers(axis), keepdims=int(keep))
        return getattr(x, method)(axis=axis, keepdims=keep)

    return reduce


mean = _reduction("ReduceMean", "mean")
total = _reduction("ReduceSum", "sum")
largest = _reduction("ReduceMax", "max")
smallest = _reduction("ReduceMin", "min")


def level(x: Value, axis: int) -> Value:
    """Return the mean over an axis, which is kept; it is exact also for small differences on a large level.

    The mean of the remainders is added to the first mean, because float32 loses digits in a long sum.
    """
    once = mean(x, axis, keep=True)
    return once + mean(x - once, axis, keep=True)


def centre(x: Value, axis: int) -> Value:
    """Return a value minus its mean over an axis.

    The mean is subtracted twice: in float32, the first pass leaves an error of about 1e-7 of the mean, which matters
    if a signal is a small change on a large level (gravity, pressure); the second pass removes it.
    """
    once = x - mean(x, axis, keep=True)
    return once - mean(once, axis, keep=True)


def difference(x: Value, axis: int) -> Value:
    """Return the differences of neighbouring values; the axis becomes shorter by one."""
    return cut(x, 1, np.iinfo(np.int32).max, axis) - cut(x, 0, -1, axis)


NO_LABEL = -1


@dataclass(frozen=True)
class Mask:
    """Which samples a graph answers.

    Attributes:
        channels, readings: the sample as rows of values: (1, columns) of a row, (channels, samples) of a window.
        needed: values that must be there of each channel.
    """

    channels: int
    readings: int
    needed: int

    def unanswered(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which samples have no answer, shape (n,)."""
        there = np.isfinite(samples).reshape(len(samples), self.channels, self.readings).sum(axis=2)
        return np.asarray((there < self.needed).any(axis=1))


def answerable(builder: Builder, shape: tuple[int, ...], limit: float) -> str:
    """Append the question whether a sample misses few enough values, shape (n, 1).

    Args:
        builder: of the graph.
        shape: of one sample.
        limit: largest share that may be missing, of a row's columns or of each channel's readings.
    """
    last = len(shape)
    counts = counted(present(Term(builder, builder.input)), last)
    if len(shape) > 1:
        counts = counts.op("ReduceMin", builder.integers(*range(1, last)), keepdims=0)
    return str(counts.op("GreaterOrEqual", builder.number(needed(limit, shape[-1]))).name)


def masked_value(builder: Builder, answerable: str, value: str, classes: int) -> str:
    """Append the choice between what a model gives, shape (n, k), and nothing: zeros for classes, else NaN."""
    return builder.op("Where", answerable, value, builder.number(0.0 if classes else np.nan))


def masked_label(builder: Builder, label: str, confidence: str) -> str:
    """Append the choice between a label and none (-1), which is where the confidence is not above 0, shape (n,)."""
    sure = builder.op("Greater", confidence, builder.number(0.0))
    return builder.op("Where", sure, label, builder.constant(np.asarray(NO_LABEL, np.int64)))


def without_mask(graph: Graph) -> tuple[Graph, Mask | None]:
    """Return the graph without the choices that `masked_value` and `masked_label` appended, and what they ask.

    Returns:
        The graph as it is and None where the answers do not end in these choices.
    """
    producers = {name: node for node in graph.nodes for name in node.outputs}
    masked: Mask | None = None
    replaced: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != "Where" or node.inputs[2] not in graph.constants:
            continue
        requested = producers.get(node.inputs[0])
        if requested is None or len(requested.inputs) != 2 or requested.inputs[1] not in graph.constants:
            continue
        if requested.op == "GreaterOrEqual":
            mask = _mask(requested, producers, graph)
            if mask is not None and masked in (None, mask):
                masked = mask
                replaced[node.outputs[0]] = node.inputs[1]
        elif requested.op == "Greater" and node.outputs[0] == "label":
            replaced[node.outputs[0]] = node.inputs[1]
    return (graph, None) if masked is None else (_replace(graph, replaced), masked)


def _mask(reader: Node, producers: dict[str, Node], graph: Graph) -> Mask | None:
    """Return what a comparison of counted values asks, where it is one of the input."""
    shape = graph.inputs[0].shape
    names = ["ReduceSum", "Cast", "LessOrEqual", "Abs"]
    if len(shape) > 1:
        names.insert(0, "ReduceMin")
    node: Node | None = reader
    for name in names:
        node = producers.get(node.inputs[0]) if node is not None else None
        if node is None or node.op != name:
            return None
    if node is None or node.inputs[0] != graph.inputs[0].name:
        return None
    count = graph.constants[reader.inputs[1]]
    return Mask(int(np.prod(shape[:-1])), shape[-1], int(count.ravel()[0])) if count.size == 1 else None


def _replace(graph: Graph, replaced: dict[str, str]) -> Graph:
    """Return the graph with other values in the place of some; an output keeps its name, and the value takes it."""
    public = {value.name for value in graph.outputs}
    named = {old: new for new, old in replaced.items() if new in public}
    gone = set(replaced)

    def now(name: str) -> str:
        name = replaced.get(name, name)
        return named.get(name, name)

    nodes = tuple(
        msgspec.structs.replace(
            node, inputs=tuple(now(name) for name in node.inputs), outputs=tuple(named.get(n, n) for n in node.outputs)
        )
        for node in graph.nodes
        if not gone.intersection(node.outputs)
    )
    stages = tuple(msgspec.structs.replace(mark, value=now(mark.value)) for mark in graph.stages)
    return prune(msgspec.structs.replace(graph, nodes=nodes, stages=stages, boundary=now(graph.boundary)))
