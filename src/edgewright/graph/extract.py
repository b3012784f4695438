"""From a graph to a network in one form: operators with their weights, channels last, from the boundary on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.integer import with_rounding
from edgewright.graph.kernels import Site, Weights, kernel, kinds
from edgewright.runtime.executor import compile_graph
from edgewright.runtime.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node
from edgewright.schema.integer import IntegerNetwork, IntegerOperator, IntegerValue, Rounding

WEIGHTED = ("Gemm", "Conv")
# Operators that take a ReLU after them in: the rounding that follows clamps.
FUSING = (*WEIGHTED, "Add")
_FLAT = ("Flatten", "Reshape")


def integer_network(graph: Graph, rounding: Rounding = "litert") -> IntegerNetwork:
    """The integer part of a quantised graph.

    Args:
        graph: QDQ form, as `compression.int8.quantise` gives it.
        rounding: 'litert' or 'tflm'.

    Raises:
        InputError: when nothing after the boundary is quantised, or an operator has no integer form.
    """
    return with_rounding(_Integers(graph).read(), rounding)


def float_network(graph: Graph) -> IntegerNetwork:
    """The network of a float graph, from its boundary to its raw outputs, in the same form (rounding 'none').

    Raises:
        InputError: when there is no network after the boundary, or an operator is none of the known kinds.
    """
    return _Floats(graph).read()


def value_names(graph: Graph) -> dict[int, str]:
    """Number of a value of the network -> the graph's value that holds it, bytes in a quantised graph.

    Values that only the network has, such as a window with its channels last, have none.

    Raises:
        InputError: as `integer_network` and `float_network`.
    """
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    reader = _Integers(graph) if quantised else _Floats(graph)
    reader.read()
    made: dict[int, str] = {}
    for name, number in reader.known.items():
        made.setdefault(number, name)
    return made


class _Reader:
    """Walks the nodes; `_Integers` and `_Floats` say where values become visible."""

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
        if not self.operators:
            raise InputError("a graph with a network after its boundary", "none", f"graph {self.graph.name}")
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
        number = self.add_value(shape, grid)
        changes: dict[str, Any] = {"inputs": inputs, "output": number}
        if activation:
            changes["activation"] = activation
        self.operators.append(msgspec.structs.replace(operator, **changes))
        return number

    def start(self, name: str, grid: tuple[float, int]) -> int:
        """The value at the boundary, brought to channels last."""
        shape = self.shapes[name]
        number = self.add_value(shape, grid)
        if len(shape) == 1:
            return number
        if len(shape) == 2:
            shape = (shape[0], 1, shape[1])
            number = self.append(_move("reshape"), (number,), shape, grid)
        turned = (*shape[1:], shape[0])
        if shape[0] == 1:
            return self.append(_move("reshape"), (number,), turned, grid)
        return self.append(_move("transpose", (1, 2, 0)), (number,), turned, grid)

    def flatten(self, node: Node, source: int) -> int:
        """One row of features; the order of the graph is kept in mind, the bytes stay where they are."""
        value = self.values[source]
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

    def compute(self, node: Node, weights: Weights | None, grid: tuple[float, int], activation: str) -> int:
        """Appends the operator of a node; gives the number of its output."""
        if node.op not in kinds():
            raise InputError(f"operators with an integer form ({', '.join(sorted(kinds()))})", node.op, where(node))
        missing = [name for name in node.inputs if name not in self.known]
        sources = tuple(self.known[name] for name in node.inputs if name in self.known)
        if node.op == "Clip":
            self.check_clip(node)
        elif missing and node.op not in WEIGHTED:
            raise InputError("inputs that the network computes", repr(missing[0]), where(node))
        if len({(o.tobytes() if o is not None else b"") for o in map(self.orders.get, sources)}) > 1:
            raise InputError("inputs flattened alike", "two orders", where(node))
        order = self.orders.get(sources[0])
        site = Site(
            node=node,
            source=self.values[sources[0]],
            graph_shape=self.shapes[node.inputs[0]],
            graph_out=self.shapes[node.outputs[0]],
            weights=weights,
            order=order,
        )
        operator, shape = kernel(kinds()[node.op]).read(site)
        number = self.append(operator, sources, shape, grid, activation)
        if node.op not in WEIGHTED:
            self.orders[number] = order
        return number

    def fused(self, node: Node) -> tuple[str, str]:
        """The activation right after a node that nothing else reads, and the value after both."""
        value = node.outputs[0]
        after = self.readers.get(value, [])
        if node.op not in FUSING or len(after) != 1 or after[0].op not in ("Relu", "Clip"):
            return "", value
        if after[0].op == "Clip":
            self.check_clip(after[0])
        return ("relu" if after[0].op == "Relu" else "relu6"), after[0].outputs[0]

    def check_clip(self, node: Node) -> None:
        limits = tuple(float(self.constants[name]) for name in node.inputs[1:] if name in self.constants)
        if limits != (0.0, 6.0):
            raise InputError("Clip from 0 to 6", f"limits {limits}", where(node))


class _Integers(_Reader):
    """QDQ form: a value is the bytes that QuantizeLinear gives, under this name and that of its float form."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.reals: set[str] = set()

    def read(self) -> IntegerNetwork:
        reached: set[str] = set()
        for node in self.graph.nodes:
            first = node.inputs[0] if node.inputs else ""
            if node.op == "QuantizeLinear" and first == self.graph.boundary and not self.values:
                self.known[node.outputs[0]] = self.start(first, self.grid(node))
            elif node.op == "DequantizeLinear" and first in self.known:
                self.known[node.outputs[0]] = self.known[first]
                self.reals.add(node.outputs[0])
            elif node.op == "QuantizeLinear" and first in reached and node.outputs[0] not in self.known:
                # Left out without a word, the network would end here.
                raise InputError("one operator between two roundings", "another pattern", where(node))
            elif first in self.known and node.op not in ("QuantizeLinear", "DequantizeLinear"):
                self.operator(node)
            if node.outputs[0] in self.known or reached.intersection(node.inputs):
                reached.update(node.outputs)
        return self.finish()

    def operator(self, node: Node) -> None:
        first = node.inputs[0]
        source = self.values[self.known[first]]
        if node.op in _FLAT:
            # The answer of a regression is brought to shape (n,) behind the network.
            if node.outputs[0] not in {value.name for value in self.graph.outputs}:
                self.flattened(node, self.flatten(node, self.known[first]))
            return
        if first not in self.reals:
            # On the bytes themselves: the scale stays.
            self.known[node.outputs[0]] = self.compute(node, None, (source.scale, source.zero), "")
            return
        activation, value = self.fused(node)
        rounded = [reader for reader in self.readers.get(value, []) if reader.op == "QuantizeLinear"]
        if not rounded:
            return
        weights = self.weights(node) if node.op in WEIGHTED else None
        self.known[rounded[0].outputs[0]] = self.compute(node, weights, self.grid(rounded[0]), activation)

    def flattened(self, node: Node, number: int) -> None:
        """Names the features; a rounding right after them must be the one they have, and its bytes are theirs."""
        value = self.values[number]
        if node.inputs[0] in self.reals:
            self.reals.add(node.outputs[0])
            for reader in self.readers.get(node.outputs[0], []):
                if reader.op != "QuantizeLinear":
                    continue
                if self.grid(reader) != (value.scale, value.zero):
                    raise InputError("one scale and zero point before and after", "two", where(node))
                self.known[reader.outputs[0]] = number
        self.known[node.outputs[0]] = number

    def grid(self, node: Node) -> tuple[float, int]:
        scale, zero = self.constants[node.inputs[1]], self.constants.get((*node.inputs, "", "")[2])
        if scale.size != 1 or (zero is not None and zero.dtype != np.int8) or not float(scale.ravel()[0]) > 0:
            raise InputError("one scale and an int8 zero point for activations", f"{scale.size} scales", where(node))
        return float(np.float32(scale.ravel()[0])), 0 if zero is None else int(zero.ravel()[0])

    def weights(self, node: Node) -> Weights:
        array, scale = self.dequantised(node, node.inputs[1], np.int8)
        bias: Array | None = None
        if len(node.inputs) > 2 and node.inputs[2]:
            bias, _ = self.dequantised(node, node.inputs[2], np.int32)
        return Weights(array, scale, bias)

    def dequantised(self, node: Node, name: str, dtype: Any) -> tuple[Array, Array]:  # noqa: ANN401 - a NumPy type
        made = self.producers.get(name)
        if made is None or made.op != "DequantizeLinear" or made.inputs[0] not in self.constants:
            raise InputError("weights and bias as constants with a scale", repr(name), where(node))
        array, scale = self.constants[made.inputs[0]], self.constants[made.inputs[1]]
        zero = self.constants.get((*made.inputs, "", "")[2])
        if array.dtype != dtype or (zero is not None and np.any(zero)):
            raise InputError(f"{np.dtype(dtype).name} with zero point 0", array.dtype.name, where(node))
        return array, scale


class _Floats(_Reader):
    """A float graph: every value is visible; the network ends at the last operator with weights."""

    def read(self) -> IntegerNetwork:
        boundary = self.graph.boundary
        reached, last = {boundary}, -1
        for place, node in enumerate(self.graph.nodes):
            if boundary and reached.intersection(node.inputs):
                reached.update(node.outputs)
                last = place if node.op in WEIGHTED else last
        if last >= 0:
            self.known[boundary] = self.start(boundary, (0.0, 0))
        done: set[str] = set()
        for node in self.graph.nodes[: last + 1]:
            if node.outputs[0] in done or not reached.intersection(node.inputs):
                continue
            if node.inputs[0] not in self.known:
                raise InputError("a first input that the network computes", repr(node.inputs[0]), where(node))
            done.add(self.operator(node, fuse=node is not self.graph.nodes[last]))
        return self.finish()

    def operator(self, node: Node, fuse: bool) -> str:
        activation, value = self.fused(node) if fuse else ("", node.outputs[0])
        if node.op in _FLAT:
            self.known[value] = self.flatten(node, self.known[node.inputs[0]])
            return value
        weights = None
        if node.op in WEIGHTED:
            missing = [name for name in node.inputs[1:] if name and name not in self.constants]
            if missing:
                raise InputError("constant weights", f"the value {missing[0]!r}", where(node))
            bias = self.constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
            weights = Weights(self.constants[node.inputs[1]], None, bias)
        self.known[value] = self.compute(node, weights, (0.0, 0), activation)
        return value


def _shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Shape of every value that one sample gives, without the batch axis."""
    source = graph.inputs[0]
    if any(length < 1 for length in source.shape):
        raise InputError("an input whose lengths are fixed", f"shape {source.shape}", f"graph {graph.name}")
    names = tuple(node.outputs[0] for node in graph.nodes)
    made = compile_graph(graph, names)(np.zeros((1, *source.shape), source.dtype))
    return {source.name: tuple(source.shape), **{name: tuple(array.shape[1:]) for name, array in made.items()}}


def _move(kind: str, order: tuple[int, ...] = ()) -> IntegerOperator:
    return IntegerOperator(kind=kind, inputs=(), output=-1, numbers={"order": order} if order else {})
