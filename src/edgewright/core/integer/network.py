"""Networks of integers: values and operators read out of a graph, and their execution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import Int8Error
from edgewright.core.kernels import Site, Weights, kernel, kinds, prepare, read_node
from edgewright.core.operators import where
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, IntegerNetwork, IntegerOperator, IntegerValue, Node, Rounding

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
            raise Int8Error(
                "a graph with a network after its boundary", obstacle(self.graph), f"graph {self.graph.name}"
            )
        last = self.operators[-1].output
        if self.orders.get(last) is not None:
            raise Int8Error("a layer with weights after a window is flattened", "none", f"graph {self.graph.name}")
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
            raise Int8Error("a reshape to one row of features", f"{self.shapes[node.outputs[0]]}", where(node))
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
            raise Int8Error(f"operators with an integer form ({', '.join(sorted(kinds()))})", node.op, where(node))
        # Widths of padding and places of a slice are settings, as the limits of Clip are.
        settled = node.inputs[1:] if node.op in ("Pad", "Slice") else ()
        missing = [name for name in node.inputs if name not in self.known and name not in settled]
        sources = tuple(self.known[name] for name in node.inputs if name in self.known)
        if node.op == "Clip":
            self.check_clip(node)
        elif missing and node.op not in WEIGHTED:
            raise Int8Error("inputs that the network computes", repr(missing[0]), where(node))
        if node.op == "Mul":
            # The factor with a row for all places comes second.
            sources = tuple(sorted(sources, key=lambda number: -math.prod(self.values[number].shape)))
        if node.op == "Add" and len({self.values[number].shape for number in sources}) > 1:
            raise Int8Error("a sum of values of one shape", "others", where(node))
        if len({(o.tobytes() if o is not None else b"") for o in map(self.orders.get, sources)}) > 1:
            raise Int8Error("inputs flattened alike", "two orders", where(node))
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
            raise Int8Error("Clip from 0 to 6", f"limits {limits}", where(node))


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
        raise Int8Error("an input of fixed shape", f"shape {source.shape}", f"graph {graph.name}")
    names = tuple(node.outputs[0] for node in graph.nodes)
    arrays = compile_graph(graph, names)(np.zeros((1, *source.shape), source.dtype))
    return {source.name: tuple(source.shape), **{name: tuple(array.shape[1:]) for name, array in arrays.items()}}


def _move(kind: str, order: tuple[int, ...] = ()) -> IntegerOperator:
    return IntegerOperator(kind=kind, inputs=(), output=-1, numbers={"order": order} if order else {})


Int8 = NDArray[np.int8]
# Windows of convolutions and sums of a part of a batch take about so many bytes: they stay in the second cache.
_PART_BYTES = 1 << 21
# The float32 next to one half: added and cut off, halves go away from zero, and what lies just below them does not.
_BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0.0))


def with_rounding(network: IntegerNetwork, rounding: Rounding) -> IntegerNetwork:
    """Return the network with multipliers, tables and clamps worked out again from its scales.

    Args:
        network: with int8 weights and grids.
        rounding: 'litert' or 'tflm'.

    Raises:
        InputError: for grids that an operator cannot have, or sums that leave 32 bits.
    """
    values = network.values
    operators = tuple(
        prepare(operator, [values[i] for i in operator.inputs], values[operator.output], rounding)
        for operator in network.operators
    )
    return msgspec.structs.replace(network, rounding=rounding, operators=operators)


class NetworkFunction:
    """A network made ready for many runs; it keeps nothing between calls, so threads may share it.

    Attributes:
        samples_at_once: a larger batch is run in parts, so that windows of convolutions stay within megabytes.

    Args:
        network: with a rounding.

    Raises:
        InputError: for an operator that is not known, or sums that leave 32 bits.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        values = network.values
        self.network = network
        self._steps = tuple(
            (kernel(o.kind).build(o, [values[i] for i in o.inputs], values[o.output]), o.inputs, o.output)
            for o in network.operators
        )
        last = {number: index for index, (_, inputs, _) in enumerate(self._steps) for number in inputs}
        self._frees = tuple(
            tuple(n for n in inputs if last[n] == index and n != network.output)
            for index, (_, inputs, _) in enumerate(self._steps)
        )
        self.samples_at_once = max(
            1, _PART_BYTES // max((_bytes_at_once(network, o) for o in network.operators), default=1)
        )

    def __call__(self, x: Int8) -> Int8:
        """Raw outputs, int8, shape (n, *shape of the output); arguments and errors as of `run_values`."""
        parts = [self._run(part)[self.network.output] for part in self._parts(x)]
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts), np.int8)

    def values(self, x: Int8) -> dict[int, Array]:
        """All values by number; arguments and errors as of `run_values`."""
        parts = [self._run(part, free=False) for part in self._parts(x)]
        return {number: np.concatenate([part[number] for part in parts]) for number in parts[0]}

    def _parts(self, x: Int8) -> Iterator[Int8]:
        shape = self.network.values[self.network.input].shape
        if x.dtype != np.int8 or x.shape[1:] != shape:
            raise Int8Error(f"int8 of shape (n, {', '.join(map(str, shape))})", f"{x.dtype} of shape {x.shape}")
        for start in range(0, max(len(x), 1), self.samples_at_once):
            yield x[start : start + self.samples_at_once]

    def _run(self, x: Int8, *, free: bool = True) -> dict[int, Array]:
        arrays: dict[int, Array] = {self.network.input: x}
        for (function, inputs, output), freed in zip(self._steps, self._frees, strict=True):
            arrays[output] = function(*[arrays[i] for i in inputs])
            if free:
                for number in freed:
                    arrays.pop(number, None)
        return arrays


def _bytes_at_once(network: IntegerNetwork, operator: IntegerOperator) -> int:
    """Return bytes that one sample needs while an operator runs: what its kernel sees, and its sums in float64."""
    window = math.prod(operator.numbers.get("kernel", (1,))) if operator.kind == "conv" else 1
    output = network.values[operator.output].shape
    channels = network.values[operator.inputs[0]].shape[-1]
    return math.prod(output[:-1]) * (window * channels * 4 + output[-1] * 9)


def run_integer(network: IntegerNetwork, x: Int8) -> Int8:
    """Raw outputs of a network, bit by bit as the kernels of its rounding give them.

    Args:
        network: with a rounding.
        x: int8, shape (n, *shape of the network's input).

    Returns:
        int8, shape (n, outputs).
    """
    return NetworkFunction(network)(x)


def run_values(network: IntegerNetwork, x: Int8) -> dict[int, Array]:
    """All values of a network by number; arguments as of `run_integer`.

    Raises:
        InputError: for an input of another shape or type.
    """
    return NetworkFunction(network).values(x)


def to_integers(value: IntegerValue, x: Any) -> Int8:  # noqa: ANN401 - an array of floats
    """Real numbers on the grid of a value: divided in float32, halves rounded away from zero, not a number as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.asarray(x, np.float32) / np.float32(value.scale)
        steps += np.copysign(_BELOW_HALF, steps)
        np.trunc(steps, out=steps)
        steps += np.float32(value.zero)
    np.copyto(steps, value.zero, where=np.isnan(steps))
    return np.asarray(steps.clip(-128, 127), np.int8)


def to_reals(value: IntegerValue, x: Any) -> NDArray[np.float32]:  # noqa: ANN401 - an array of integers
    """Return integers of a value as real numbers, float32."""
    return np.asarray((np.asarray(x, np.int32) - value.zero).astype(np.float32) * np.float32(value.scale))


BYTES = np.arange(-128, 128).astype(np.int8)
"""The bytes that a table has an entry for, in its order."""
# Kinds whose output at a place depends on their inputs at that place alone.
_BY_VALUE = frozenset({"add", "logistic", "multiply", "quantise", "relu", "table"})


def table_operator(table: Any, inputs: tuple[int, ...] = (), output: int = -1) -> IntegerOperator:  # noqa: ANN401
    """Return the operator that looks bytes up; `table` has an entry for each of `BYTES`."""
    return IntegerOperator(kind="table", inputs=inputs, output=output, arrays={"table": np.asarray(table, np.int8)})


def reals_of(value: IntegerValue) -> NDArray[np.float32]:
    """Return what each of `BYTES` stands for on the grid of a value, as DequantizeLinear works it out."""
    return np.asarray((BYTES.astype(np.int32) - value.zero).astype(np.float32) * np.float32(value.scale))


def bytes_of(reals: Array, grid: tuple[float, int]) -> Int8:
    """Return real numbers rounded onto a grid as QuantizeLinear rounds them, halves to even."""
    steps = np.rint(np.asarray(reals, np.float32) / np.float32(grid[0])) + np.float32(grid[1])
    return np.asarray(np.clip(np.nan_to_num(steps, nan=grid[1]), -128, 127), np.int8)


def applied(operator: IntegerOperator, inputs: list[IntegerValue], output: IntegerValue, *tables: Int8) -> Int8:
    """Return the table of a prepared operator on inputs that are tables themselves."""
    rows = tuple(table.reshape(-1, 1) for table in tables)
    flat = [msgspec.structs.replace(value, shape=(1,)) for value in (*inputs, output)]
    return np.asarray(kernel(operator.kind).build(operator, flat[:-1], flat[-1])(*rows), np.int8).ravel()


def with_tables(network: IntegerNetwork, outputs: tuple[int, ...] = ()) -> IntegerNetwork:
    """Return the network in which operators one after the other on the same byte are one table.

    An operator that stands alone stays as it is.

    Args:
        network: with a rounding.
        outputs: numbers of values that are kept; that of the network's output when empty.
    """
    origins: dict[int, tuple[int, Int8]] = {}
    operators: list[IntegerOperator] = []
    for operator in network.operators:
        sources = [origins.get(number, (number, BYTES)) for number in operator.inputs]
        values = [network.values[number] for number in operator.inputs]
        target = network.values[operator.output]
        alike = len({number for number, _ in sources}) == 1 and all(v.shape == target.shape for v in values)
        if operator.kind in _BY_VALUE and alike:
            origin = sources[0][0]
            table = applied(operator, values, target, *(known for _, known in sources))
            origins[operator.output] = origin, table
            if len(sources) > 1 or origin != operator.inputs[0]:
                operators.append(table_operator(table, (origin,), operator.output))
                continue
        operators.append(operator)
    needed, kept = set(outputs or (network.output,)), list[IntegerOperator]()
    for operator in reversed(operators):
        if operator.output in needed:
            needed.update(operator.inputs)
            kept.append(operator)
    return msgspec.structs.replace(network, operators=tuple(kept[::-1]))
