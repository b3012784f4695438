"""A network of integers out of a graph that rounds and reads back around every operator (QDQ form)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import InputError, Int8Error
from edgewright.core.integer.network import (
    BY_VALUE,
    FLAT,
    RECURRENT,
    WEIGHTED,
    Int8,
    NetworkFunction,
    Reader,
    bytes_of,
    reals_of,
    rounding_of,
    table_operator,
    to_integers,
    with_rounding,
    with_tables,
)
from edgewright.core.kernels import Weights
from edgewright.core.operators import Function, prepare, where
from edgewright.core.prediction.executor import Run, compile_graph
from edgewright.core.records.network import Array, Graph, IntegerNetwork, Node, Rounding

# Of the standard's types of tensors.
_INT8 = 3
# Operators that move or pick values: rounded before or behind them, the bytes are the same.
_PICKS = ("MaxPool", "GlobalMaxPool", "Concat", "Slice", "Pad")
# Operators whose integers keep the grid of their input.
_ONE_GRID = (*_PICKS, "AveragePool")
_MEANS = ("AveragePool", "GlobalAveragePool")
# A function may give so many times the range of the mean behind it: half a step of its grid is two of the mean's. ONNX
# Runtime's quantiser writes tanh before a mean of 2.7 times less range.
_WIDEST = 4.0
# Where the logistic function has integers of its own.
_OF_LOGISTIC = (1.0 / 256.0, -128)


def integer_network(graph: Graph, rounding: Rounding = "litert") -> IntegerNetwork:
    """Return the integer part of a quantised graph.

    Args:
        graph: QDQ form, as `compression.int8.quantise` gives it.
        rounding: 'litert' or 'tflm'.

    Raises:
        InputError: when nothing after the boundary is quantised, or an operator has no integer form.
    """
    return with_tables(with_rounding(Integers(graph).read(), rounding))


class Integers(Reader):
    """QDQ form: a value is the bytes that QuantizeLinear gives, under this name and that of its float form."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.reals: set[str] = set()
        # Real numbers that depend on one byte: the number of its value, and what each byte gives.
        self.curves: dict[str, tuple[int, Array]] = {}
        # Values that the graph does not round, and the network does.
        self.unseen: set[str] = set()
        # Values that a later rounding depends on: they lie within the network.
        self.within: set[str] = set()
        for node in reversed(graph.nodes):
            if node.op == "QuantizeLinear" or self.within.intersection(node.outputs):
                self.within.update(node.inputs)
        # Bytes as indices of a table.
        self.indices: dict[str, int] = {}

    def read(self) -> IntegerNetwork:
        """Return the network from the first rounding at the boundary on, without multipliers.

        Raises:
            InputError: naming the node that has no integer form.
        """
        reached: set[str] = set()
        for node in self.graph.nodes:
            first = node.inputs[0] if node.inputs else ""
            if node.op == "QuantizeLinear" and first == self.graph.boundary and not self.values:
                self.known[node.outputs[0]] = self.start(first, self.grid(node))
            elif node.op == "DequantizeLinear" and first in self.known:
                value = self.values[self.known[first]]
                if self.grid(node) != (value.scale, value.zero):
                    raise Int8Error("the scale and zero point that rounded a value", "others", where(node))
                self.known[node.outputs[0]] = self.known[first]
                self.reals.add(node.outputs[0])
            elif node.op == "QuantizeLinear":
                self.rounded(node, first in reached)
            elif node.op == "Cast" and first in self.known and first not in self.reals:
                self.indices[node.outputs[0]] = self.known[first]
            elif node.op == "Gather" and node.inputs[1] in self.indices:
                table = np.roll(self.constant(node, 0), 128)
                number = self.indices[node.inputs[1]]
                self.known[node.outputs[0]] = self.tabulated(number, table, self.grid_behind(node))
            elif node.op != "DequantizeLinear":
                self.curve(node)
                rounded = self.rounded_before(node)
                if first in self.known and (node.outputs[0] not in self.curves or self.own_kernel(node)):
                    self.operator(node)
                # Other readers see the function itself.
                for name in rounded:
                    del self.known[name]
                    self.reals.remove(name)
            if node.outputs[0] in self.known or reached.intersection(node.inputs):
                reached.update(node.outputs)
        return self.finish()

    def rounded(self, node: Node, inside: bool) -> None:
        """Append the table of a function of one byte, which this node rounds."""
        first, output = node.inputs[0], node.outputs[0]
        if output in self.known:
            return
        if first in self.curves or first in self.reals:
            number, reals = self.curves.get(first) or self.reals_of(first)
            self.known[output] = self.tabulated(number, bytes_of(reals, self.grid(node)), self.grid(node))
        elif inside:
            # Left out without a word, the network would end here.
            raise Int8Error("one operator between two roundings", "another pattern", where(self.producers[first]))

    def reals_of(self, name: str) -> tuple[int, Array]:
        """Return the number of a value that is read back, and what each of its bytes stands for."""
        number = self.known[name]
        return number, reals_of(self.values[number])

    def tabulated(self, number: int, table: Array, grid: tuple[float, int]) -> int:
        """Return a value that is looked up from another; the same one where nothing changes."""
        value = self.values[number]
        if grid == (value.scale, value.zero) and np.array_equal(table, np.arange(-128, 128)):
            return number
        result = self.append(table_operator(table), (number,), value.shape, grid)
        self.orders[result] = self.orders.get(number)
        return result

    def curve(self, node: Node) -> None:
        """Work out a node that takes one value, place by place, and numbers."""
        if node.op not in BY_VALUE:
            return
        numbers, arrays = set[int](), list[Array | None]()
        for name in node.inputs:
            constant = self.constants.get(name)
            if name in self.curves or name in self.reals:
                source, reals = self.curves.get(name) or self.reals_of(name)
                numbers.add(source)
                arrays.append(reals)
            elif not name or (constant is not None and constant.size == 1):
                arrays.append(None if constant is None else constant.reshape(()))
            else:
                return
        number = min(numbers, default=-1)
        if len(numbers) == 1 and self.shapes[node.outputs[0]] == self.shapes[self.named(number)]:
            with np.errstate(all="ignore"):
                values = prepare(node, [self.constants.get(name) for name in node.inputs])(*arrays)
            self.curves[node.outputs[0]] = number, np.broadcast_to(values, 256)

    def rounded_before(self, node: Node) -> list[str]:
        """Round the functions of one byte that a node reads and the model does not round; return their names.

        Raises:
            InputError: a function before a mean that gives infinite numbers, or numbers far beyond those of the mean.
        """
        names = [name for name in dict.fromkeys(node.inputs) if name in self.curves]
        behind = self.next_grids(node) if names and node.outputs[0] in self.within else set()
        if len(behind) != 1:
            return []
        (grid,) = behind
        for name in names:
            number, reals = self.curves[name]
            own = grid if self.next_grids(node, _PICKS) else self.grid_of_range(name, reals, grid)
            self.known[name] = self.tabulated(number, bytes_of(reals, own), own)
            self.reals.add(name)
        return names

    def next_grids(self, node: Node, through: tuple[str, ...] = (*_PICKS, *_MEANS)) -> set[tuple[float, int]]:
        """Return the grids that what a node gives is rounded onto, behind operators of these kinds."""
        if node.op not in (*through, *FLAT):
            return set()
        readers = self.readers.get(self.fused(node)[1], [])
        grids = [{self.grid(reader)} if reader.op == "QuantizeLinear" else self.next_grids(reader, through)
                 for reader in readers]  # fmt: skip
        return set().union(*grids) if all(grids) else set()

    def grid_of_range(self, name: str, reals: Array, behind: tuple[float, int]) -> tuple[float, int]:
        """Return the grid of all that a function of one byte can give, for a mean that is rounded onto another one."""
        low, high = min(0.0, float(np.min(reals))), max(0.0, float(np.max(reals)))
        widest = _WIDEST * 255 * behind[0]
        if not high - low <= widest:
            raise Int8Error(
                f"a function before a mean that gives numbers within {widest:g}, four times the range of the mean",
                f"{low:g} to {high:g}", where(self.producers[name]), "Quantise what it gives, too",
            )  # fmt: skip
        scale = float(np.float32(max(high - low, 1e-6) / 255))
        return scale, int(np.clip(np.rint(-128 - low / scale), -128, 127))

    def named(self, number: int) -> str:
        """Return a name that the graph has for a value."""
        return next(name for name, known in reversed(self.known.items()) if known == number)

    def own_kernel(self, node: Node) -> bool:
        """Whether a function of one value has an operator of its own, right before its rounding."""
        rounded = [reader for reader in self.readers.get(node.outputs[0], []) if reader.op == "QuantizeLinear"]
        if not rounded or node.inputs[0] not in self.reals:
            return False
        limits = [float(self.constants[name]) for name in node.inputs[1:] if name in self.constants]
        grid, source = self.grid(rounded[0]), self.values[self.known[node.inputs[0]]]
        # TFLM's RELU6 keeps the scale, whatever its output says.
        kept = node.op == "Clip" and limits == [0.0, 6.0] and grid == (source.scale, source.zero)
        return kept or node.op == "Relu" or (node.op == "Sigmoid" and grid == _OF_LOGISTIC)

    def grid_behind(self, node: Node) -> tuple[float, int]:
        """Return the grid by which the bytes of a node are read back, behind whatever moves them."""
        for reader in self.readers.get(node.outputs[0], []):
            return self.grid(reader) if reader.op == "DequantizeLinear" else self.grid_behind(reader)
        raise Int8Error("bytes that are read back", "none", where(node))

    def operator(self, node: Node) -> None:
        """Append what a node behind known bytes does, up to the rounding of its result."""
        first = node.inputs[0]
        source = self.values[self.known[first]]
        if node.op in FLAT:
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
        if node.op in _ONE_GRID:
            self.on_the_grid_before(node, activation, value, rounded)
            return
        if not rounded:
            return
        weights = self.weights(node) if node.op in WEIGHTED else None
        state = Weights(*self.dequantised(node, node.inputs[2], np.int8), None) if node.op in RECURRENT else None
        self.known[rounded[0].outputs[0]] = self.compute(node, weights, self.grid(rounded[0]), activation, state)

    def on_the_grid_before(self, node: Node, activation: str, value: str, rounded: list[Node]) -> None:
        """Append an operator whose integers keep the grid of its input, and the table of a rounding onto another one.

        Args:
            node: of `_ONE_GRID`.
            activation: that it takes in; `value` is what both give.
            value: its name.
            rounded: the roundings right behind it.
        """
        source = self.values[self.known[node.inputs[0]]]
        grid = source.scale, source.zero
        joins = node.op == "Concat"
        behind = self.next_grids(node, _PICKS) if joins else self.next_grids(node)
        # Zeros are on every grid.
        keeps = node.op == "Pad" or (node.op in _PICKS and len(behind) == 1)
        if not rounded and not keeps:
            return
        known = dict(self.known)
        if joins:
            grid = self.grid(rounded[0]) if rounded else min(behind)
            self.on_one_grid(node, grid)
        number = self.compute(node, None, grid, activation)
        # Other readers of its inputs see them on the grids that the model gives them.
        self.known = known
        if rounded:
            grid = self.grid(rounded[0])
            self.known[rounded[0].outputs[0]] = self.tabulated(
                number, bytes_of(reals_of(self.values[number]), grid), grid
            )
            return
        self.known[value] = number
        self.reals.add(value)
        self.unseen.add(value)

    def on_one_grid(self, node: Node, grid: tuple[float, int]) -> None:
        """Bring all inputs of a node to one grid."""
        for name in node.inputs:
            if name not in self.reals:
                raise Int8Error("inputs that the network computes", repr(name), where(node))
            number, reals = self.reals_of(name)
            self.known[name] = self.tabulated(number, bytes_of(reals, grid), grid)

    def flattened(self, node: Node, number: int) -> None:
        """Names the features; a rounding right after them must be the one they have, and its bytes are theirs."""
        value = self.values[number]
        if node.inputs[0] in self.reals:
            self.reals.add(node.outputs[0])
            for reader in self.readers.get(node.outputs[0], []):
                if reader.op != "QuantizeLinear":
                    continue
                if self.grid(reader) != (value.scale, value.zero):
                    raise Int8Error("one scale and zero point before and after", "two", where(node))
                self.known[reader.outputs[0]] = number
        self.known[node.outputs[0]] = number

    def grid(self, node: Node) -> tuple[float, int]:
        """Scale and zero point of a QuantizeLinear or DequantizeLinear of activations.

        Raises:
            InputError: for several scales, or bytes that are not int8.
        """
        scale, zero = self.constant(node, 1), self.zero(node)
        if scale.size != 1 or (zero is not None and zero.dtype != np.int8) or not float(scale.ravel()[0]) > 0:
            raise Int8Error("one scale and an int8 zero point for activations", f"{scale.size} scales", where(node))
        if node.op == "QuantizeLinear" and zero is None and node.attributes.get("output_dtype") != _INT8:
            raise Int8Error("rounding to int8", "no zero point, which means uint8", where(node))
        return float(np.float32(scale.ravel()[0])), 0 if zero is None else int(zero.ravel()[0])

    def zero(self, node: Node) -> Array | None:
        """Return the zero point of a QuantizeLinear or DequantizeLinear; None where it is left out."""
        return self.constant(node, 2) if len(node.inputs) > 2 and node.inputs[2] else None

    def constant(self, node: Node, index: int) -> Array:
        """Return an input that must be a constant.

        Raises:
            InputError: where it is none.
        """
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name not in self.constants:
            raise Int8Error("a scale and zero point that are constants", repr(name), where(node))
        return self.constants[name]

    def weights(self, node: Node) -> Weights:
        """Return weights and bias of a layer as they stand in the graph.

        Raises:
            InputError: for scales along another axis than the outputs', or a bias on another scale.
        """
        array, scale = self.dequantised(node, node.inputs[1], np.int8)
        axis = int(str(self.producers[node.inputs[1]].attributes.get("axis", 1))) % array.ndim
        outputs = 1 if node.op in RECURRENT or (node.op == "Gemm" and not node.attributes.get("transB", 0)) else 0
        if scale.size > 1 and (axis != outputs or scale.size != array.shape[outputs]):
            raise Int8Error("a scale for each output of a layer", f"{scale.size} along axis {axis}", where(node))
        bias: Array | None = None
        last = 3 if node.op in RECURRENT else 2
        if len(node.inputs) > last and node.inputs[last]:
            bias, step = self.dequantised(node, node.inputs[last], np.int32)
            source = np.float32(self.values[self.known[node.inputs[0]]].scale)
            # The second half is the bias of a state, which is 0 in an LSTM.
            own = step.reshape(2, -1)[0] if node.op in RECURRENT and step.size > 1 else step
            if step.size not in (1, bias.size) or not np.allclose(own, source * scale.reshape(-1), rtol=1e-4, atol=0):
                raise Int8Error("a bias with the scale of input times weights", "another", where(node))
        return Weights(array, scale, bias)

    def dequantised(self, node: Node, name: str, dtype: Any) -> tuple[Array, Array]:  # noqa: ANN401 - a NumPy type
        """Return a constant behind a DequantizeLinear: its integers and their scales.

        Raises:
            InputError: for another type, or a zero point other than 0.
        """
        producer = self.producers.get(name)
        if producer is None or producer.op != "DequantizeLinear" or producer.inputs[0] not in self.constants:
            raise Int8Error("weights and bias as constants with a scale", repr(name), where(node))
        array, scale, zero = self.constants[producer.inputs[0]], self.constant(producer, 1), self.zero(producer)
        if array.dtype != dtype:
            raise Int8Error(f"constants of type {np.dtype(dtype).name}", array.dtype.name, where(node))
        if zero is not None and np.any(zero):
            got = f"zero point {zero[zero != 0].flat[0] if zero.ndim else zero} (that of uint8 weights is 128 more)"
            do = "Quantize weights symmetrically, for example with weight_type=QuantType.QInt8"
            raise Int8Error("weights with zero point 0", got, where(node), do)
        return array, scale


_OPERATOR = "IntegerNetwork"
_MOVES = ("reshape", "transpose")


def has_integer_form(graph: Graph) -> bool:
    """Return whether `compile_fused` takes a graph: the base install then answers as generated C does."""
    try:
        compile_fused(graph)
    except InputError:
        return False
    return True


# From a network to a function of its input bytes that gives its raw outputs.
Maker = Callable[[IntegerNetwork], Callable[[Int8], Int8]]


def compile_fused(graph: Graph, make: Maker = NetworkFunction) -> Run:
    """Prepare a quantised graph: float preprocessing, the network in integers, and what follows it.

    Args:
        graph: QDQ form; its rounding is that of `rounding_of`.
        make: the function of its network; another one where a device has learned.

    Returns:
        As `executor.compile_graph`.

    Raises:
        InputError: when its network has no integer form, or something else reads values inside it.
    """
    reader = Integers(graph)
    network = reader.read()
    end, network = _end(reader, network)
    function = _function(with_rounding(network, rounding_of(graph)), reader.shapes[end], make)
    node = Node(op=_OPERATOR, inputs=(graph.boundary,), outputs=(end,))
    nodes = tuple(_fused(graph, node, reader.known))
    read = {name for node in nodes for name in node.inputs}
    constants = {name: array for name, array in graph.constants.items() if name in read}
    return compile_graph(msgspec.structs.replace(graph, nodes=nodes, constants=constants), own={_OPERATOR: function})


def _end(reader: Integers, network: IntegerNetwork) -> tuple[str, IntegerNetwork]:
    """Return the last bytes that the graph has a name for, and the network up to them."""
    names = {number: name for name, number in reversed(reader.known.items()) if name not in reader.reals}
    operators = network.operators
    while operators and operators[-1].output not in names and operators[-1].kind in _MOVES:
        operators = operators[:-1]
    if not operators or operators[-1].output not in names:
        raise Int8Error("raw outputs that are bytes", "none", f"graph {network.name}")
    number = operators[-1].output
    return names[number], msgspec.structs.replace(network, operators=operators, output=number)


def _function(network: IntegerNetwork, shape: tuple[int, ...], make: Maker) -> Function:
    """From real numbers at the boundary to raw bytes, shaped as in the graph: channels first."""
    source, ask = network.values[network.input], make(network)
    turned = len(network.values[network.output].shape) == 3

    def run(x: Array) -> Array:
        outputs = ask(to_integers(source, x))
        return (outputs.transpose(0, 3, 1, 2) if turned else outputs).reshape(len(x), *shape)

    return run


def _fused(graph: Graph, fused: Node, known: dict[str, int]) -> Iterable[Node]:
    """Return the nodes that are still needed, with one in place of all that lead from the boundary to its output."""
    (end,) = fused.outputs
    needed, kept = {value.name for value in graph.outputs}, list[Node]()
    for node in reversed(graph.nodes):
        if not needed.intersection(node.outputs):
            continue
        inner = [name for name in node.outputs if known.get(name, known[end]) < known[end]]
        if inner:
            raise Int8Error("a network that only its raw outputs leave", f"{inner[0]!r} read elsewhere", where(node))
        kept.append(fused if end in node.outputs else node)
        needed.update(kept[-1].inputs)
    return reversed(kept)
