"""What reading a network out of a graph needs in both forms: values, operators, orders, channels last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.kernels import Site, Weights, kinds, read_node
from edgewright.core.operators import where
from edgewright.core.prediction.executor import compile_graph
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue, Rounding

KEY = "edgewright.rounding"
OBSTACLE = "edgewright.obstacle"
"""Metadata of a graph without a network: the operators that its user wrote, and that have no integer form."""


def rounding_of(graph: Graph) -> Rounding:
    """Return what the graph says of itself; LiteRT's reference kernels where it says nothing."""
    return "tflm" if graph.metadata.get(KEY) == "tflm" else "litert"


def marked(graph: Graph, rounding: Rounding) -> Graph:
    """Return the graph with its rounding written down."""
    return msgspec.structs.replace(graph, metadata={**graph.metadata, KEY: rounding})


# With weights of a state as the third input, and its bias behind that of the input.
RECURRENT = ("LSTM", "GRU")
WEIGHTED = ("Gemm", "Conv", *RECURRENT)
# Operators that take a ReLU after them in: the rounding that follows clamps.
FUSING = ("Gemm", "Conv", "Add", "Mul", "MaxPool", "AveragePool", "GlobalMaxPool")
# Operators whose output at a place depends on their inputs at that place alone.
BY_VALUE = frozenset({
    "Abs", "Add", "Ceil", "Clip", "Cos", "Div", "Equal", "Erf", "Exp", "Floor", "Identity", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Min", "Mul", "Neg", "Not", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign",
    "Sin", "Sqrt", "Sub", "Tanh", "Where",
})  # fmt: skip
FLAT = ("Flatten", "Reshape")


class Reader:
    """Walks the nodes; subclasses say where values become visible."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, graph.constants
        self.producers = {node.outputs[0]: node for node in graph.nodes}
        self.readers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.shapes = _shapes(graph)
        self.values: list[IntegerValue] = []
        self.operators: list[IntegerOperator] = []
        self.known: dict[str, int] = {}
        # Flattened values: the place in the graph's order of each feature, where it is another.
        self.orders: dict[int, NDArray[np.int64] | None] = {}

    def finish(self) -> IntegerNetwork:
        """Return the network of what was read, without multipliers.

        Raises:
            InputError: when there is none, or it ends in features in another order than the graph's.
        """
        if not self.operators:
            raise InputError(
                "a graph with a network after its boundary", obstacle(self.graph), f"graph {self.graph.name}"
            )
        last = self.operators[-1].output
        if self.orders.get(last) is not None:
            raise InputError("a layer with weights after a window is flattened", "none", f"graph {self.graph.name}")
        return IntegerNetwork(
            name=self.graph.name,
            rounding="none",
            values=tuple(self.values),
            operators=tuple(self.operators),
            input=0,
            output=last,
        )

    def add_value(self, shape: Sequence[int], grid: tuple[float, int]) -> int:
        """Append a value of a shape on a grid (scale, zero point); give its number."""
        self.values.append(IntegerValue(shape=tuple(shape), scale=grid[0], zero=grid[1]))
        return len(self.values) - 1

    def append(
        self,
        operator: IntegerOperator,
        inputs: tuple[int, ...],
        shape: Sequence[int],
        grid: tuple[float, int],
        activation: str = "",
    ) -> int:
        """Append an operator that reads `inputs`; give the number of its output."""
        number = self.add_value(shape, grid)
        changes: dict[str, Any] = {"inputs": inputs, "output": number}
        if activation:
            changes["activation"] = activation
        self.operators.append(msgspec.structs.replace(operator, **changes))
        return number

    def start(self, name: str, grid: tuple[float, int]) -> int:
        """Return the value at the boundary, brought to channels last."""
        shape = self.shapes[name]
        number = self.add_value(shape, grid)
        return number if len(shape) == 1 else self.channels_last(number, shape, grid)

    def channels_last(self, number: int, shape: tuple[int, ...], grid: tuple[float, int]) -> int:
        """Return a value of the graph's shape, channels first, with its channels last."""
        if len(shape) == 2:
            shape = (shape[0], 1, shape[1])
            number = self.append(_move("reshape"), (number,), shape, grid)
        turned = (*shape[1:], shape[0])
        if shape[0] == 1:
            return self.append(_move("reshape"), (number,), turned, grid)
        return self.append(_move("transpose", (1, 2, 0)), (number,), turned, grid)

    def flatten(self, node: Node, source: int) -> int:
        """One row of features, its order in the graph kept in mind, the bytes where they are; or a row as a window."""
        value, shape = self.values[source], self.shapes[node.outputs[0]]
        if len(value.shape) == 1 and len(shape) > 1 and self.orders.get(source) is None:
            return self.channels_last(source, shape, (value.scale, value.zero))
        if len(self.shapes[node.outputs[0]]) != 1:
            raise InputError("a reshape to one row of features", f"{self.shapes[node.outputs[0]]}", where(node))
        if len(value.shape) == 1:
            return source
        height, width, channels = value.shape
        count = height * width * channels
        number = self.append(_move("reshape"), (source,), (count,), (value.scale, value.zero))
        order = np.arange(count).reshape(channels, height, width).transpose(1, 2, 0).ravel()
        self.orders[number] = None if np.array_equal(order, np.arange(count)) else order
        return number

    def compute(
        self,
        node: Node,
        weights: Weights | None,
        grid: tuple[float, int],
        activation: str,
        recurrent: Weights | None = None,
    ) -> int:
        """Append the operator of a node; give the number of its output."""
        if node.op not in kinds():
            raise InputError(f"operators with an integer form ({', '.join(sorted(kinds()))})", node.op, where(node))
        # Widths of padding and places of a slice are settings, as the limits of Clip are.
        settled = node.inputs[1:] if node.op in ("Pad", "Slice") else ()
        missing = [name for name in node.inputs if name not in self.known and name not in settled]
        sources = tuple(self.known[name] for name in node.inputs if name in self.known)
        if node.op == "Clip":
            self.check_clip(node)
        elif missing and node.op not in WEIGHTED:
            raise InputError("inputs that the network computes", repr(missing[0]), where(node))
        if node.op == "Mul":
            # The factor with a row for all places comes second.
            sources = tuple(sorted(sources, key=lambda number: -math.prod(self.values[number].shape)))
        if node.op == "Add" and len({self.values[number].shape for number in sources}) > 1:
            raise InputError("a sum of values of one shape", "others", where(node))
        if len({(o.tobytes() if o is not None else b"") for o in map(self.orders.get, sources)}) > 1:
            raise InputError("inputs flattened alike", "two orders", where(node))
        order = self.orders.get(sources[0])
        site = Site(
            node=node,
            source=self.values[sources[0]],
            graph_shape=max((self.shapes[n] for n in node.inputs if n in self.known), key=math.prod),
            graph_out=self.shapes[node.outputs[0]],
            weights=weights,
            recurrent=recurrent,
            order=order,
            constants={i: self.constants[name] for i, name in enumerate(node.inputs) if name in self.constants},
        )
        operator, shape = read_node(site)
        number = self.append(operator, sources, shape, grid, activation)
        if node.op not in WEIGHTED:
            self.orders[number] = order
        return number

    def fused(self, node: Node) -> tuple[str, str]:
        """Return the activation right after a node that nothing else reads, and the value after both."""
        value = node.outputs[0]
        after = self.readers.get(value, [])
        if node.op not in FUSING or len(after) != 1 or after[0].op not in ("Relu", "Clip"):
            return "", value
        if after[0].op == "Clip":
            self.check_clip(after[0])
        return ("relu" if after[0].op == "Relu" else "relu6"), after[0].outputs[0]

    def check_clip(self, node: Node) -> None:
        """Refuse a Clip that is no ReLU6.

        Raises:
            InputError: with its limits.
        """
        limits = tuple(float(self.constants[name]) for name in node.inputs[1:] if name in self.constants)
        if limits != (0.0, 6.0):
            raise InputError("Clip from 0 to 6", f"limits {limits}", where(node))


def foreign_operators(graph: Graph) -> str:
    """Name the operators without an integer form that lie between layers with weights; nothing where there are none.

    Those of an imported model have the names that its user wrote (`OBSTACLE`).
    """
    if OBSTACLE in graph.metadata:
        return graph.metadata[OBSTACLE]
    places = [index for index, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    between = graph.nodes[places[0] : places[-1]] if places and not graph.boundary else ()
    known = {*kinds(), *FLAT, "Clip", "QuantizeLinear", "DequantizeLinear"}
    return listed({node.op: node.outputs[0] for node in reversed(between) if node.op not in known})


def listed(names: dict[str, str]) -> str:
    """Return operators and what they give, the last of them first, in a line."""
    return ", ".join(f"{op} (gives {name!r})" for op, name in reversed(names.items()))


def obstacle(graph: Graph) -> str:
    """Name the operators without an integer form that lie between layers with weights."""
    text = foreign_operators(graph)
    return f"{text} between its layers" if text else "none"


def _shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Shape of every value that one sample gives, without the batch axis."""
    source = graph.inputs[0]
    if any(length < 1 for length in source.shape):
        raise InputError("an input of fixed shape", f"shape {source.shape}", f"graph {graph.name}")
    names = tuple(node.outputs[0] for node in graph.nodes)
    arrays = compile_graph(graph, names)(np.zeros((1, *source.shape), source.dtype))
    return {source.name: tuple(source.shape), **{name: tuple(array.shape[1:]) for name, array in arrays.items()}}


def _move(kind: str, order: tuple[int, ...] = ()) -> IntegerOperator:
    return IntegerOperator(kind=kind, inputs=(), output=-1, numbers={"order": order} if order else {})
