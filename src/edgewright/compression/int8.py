"""Post-training quantisation of the network part of a graph to signed bytes.

The result is plain ONNX with QuantizeLinear and DequantizeLinear around every operator, so that any engine runs it and
every scale and zero point can be read back from the graph. The rules are those LiteRT's integer kernels accept:
activations asymmetric int8, weights symmetric int8, biases int32 with scale `input scale * weight scale`, pools that
keep their scale, and raw outputs as int8. Float preprocessing before the boundary and softmax after the network stay.

docs/research/generated-code.md have the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.weights import (
    ENDS,
    FIXED,
    FUSING,
    KEEPS,
    LEVELS,
    MOVES,
    RECURRENT,
    SIGMOID,
    WEIGHTED,
    Grid,
    Method,
    PerChannel,
    Range,
    Section,
    grid,
    network_section,
    to_integers,
    watch,
)
from edgewright.core.errors import Int8Error
from edgewright.core.kernels.recurrent import STATE_STEP
from edgewright.core.operators.shape import CELL, WINDOW
from edgewright.core.records.network import Array, Graph, Node, StageMark
from edgewright.graph.builder import prune

# Attribute of an LSTM with the exponent of the step of its cell, then the smallest and the largest exponent: the
# integer tanh takes 0 to 6 bits before the binary point.
STEP = "cell"
_FINEST, _COARSEST = -15, -9


def cell_steps(graph: Graph, section: Section, calibration: NDArray[Any]) -> tuple[Graph, Section]:
    """Return graph and section with the step of the cell in every LSTM: the finest power of two that holds its cells.

    Args:
        graph: float; an LSTM that names its step already keeps it.
        section: its network.
        calibration: samples as they arrive at the graph's input.
    """
    wanted = [node for node in section.inside if node.op == "LSTM" and STEP not in node.attributes]
    if not wanted:
        return graph, section
    extra = {f"{node.outputs[0]}.cell": node for node in wanted}
    watched = [
        msgspec.structs.replace(node, outputs=(name,), attributes={**node.attributes, WINDOW: CELL})
        for name, node in extra.items()
    ]
    ranges = watch(
        msgspec.structs.replace(graph, nodes=(*graph.nodes, *watched)), tuple(extra), calibration, "minmax", 100.0
    )
    steps = {node.outputs[0]: _exponent(max(map(abs, ranges[name]))) for name, node in extra.items()}

    def with_step(node: Node) -> Node:
        exponent = steps.get(node.outputs[0])
        if exponent is None:
            return node
        return msgspec.structs.replace(node, attributes={**node.attributes, STEP: exponent})

    nodes = tuple(map(with_step, graph.nodes))
    return msgspec.structs.replace(graph, nodes=nodes), _with(section, with_step)


def _with(section: Section, change: Any) -> Section:  # noqa: ANN401 - of a node
    return Section(section.before, tuple(map(change, section.inside)), section.after, section.start, section.end)


def _exponent(largest: float) -> int:
    wanted = math.ceil(math.log2(max(largest, 1e-30) / (2**15 - 1)))
    return min(max(wanted, _FINEST), _COARSEST)


def gates_to_integers(
    op: str, arrays: Sequence[Array], input_scale: np.float32, output_scale: np.float32, levels: int
) -> list[tuple[Array, Array]]:
    """Round the input weights, the state weights and the bias of a recurrent operator, with one scale a gate.

    Args:
        op: LSTM or GRU.
        arrays: as ONNX has them, one direction: (1, gates, inputs), (1, gates, units), (1, 2 gates).
        input_scale: scale of the input window.
        output_scale: scale of the output. The output of an LSTM is its state; the state of a GRU has 16 bits.
        levels: see `quantise`.

    Returns:
        Integers and scales of each array, with a scale for each row along axis 1.
    """
    weights, state, bias = (np.asarray(array, np.float32)[0] for array in arrays)
    units = state.shape[1]
    first, late = bias.reshape(2, -1).copy()
    # In a GRU the reset gate multiplies the state bias of the new state; the other biases are added to the sums.
    split = 2 * units if op == "GRU" else len(late)
    first[:split] += late[:split]
    late[:split] = 0
    state_scale = np.float32(STATE_STEP) if op == "GRU" else output_scale
    parts: list[list[Array]] = [[], [], [], [], [], []]
    for start in range(0, len(weights), units):
        rows = slice(start, start + units)
        coming = to_integers(weights[rows], first[rows], 0, input_scale, "never", levels=levels)
        recurrent = to_integers(state[rows], late[rows], 0, state_scale, "never", levels=levels)
        assert coming.bias is not None and recurrent.bias is not None  # noqa: S101 - a bias went in
        parts[0].append(coming.weights)
        parts[1].append(recurrent.weights)
        parts[2].append(coming.bias)
        parts[3].append(np.repeat(coming.scale, units))
        parts[4].append(np.repeat(recurrent.scale, units))
        parts[5].append(recurrent.bias)
    scale, held_scale = np.concatenate(parts[3]), np.concatenate(parts[4])
    both = np.concatenate([*parts[2], *parts[5]])
    bias_scale = np.concatenate([np.float32(input_scale) * scale, np.float32(state_scale) * held_scale])
    return [
        (np.concatenate(parts[0])[None], scale),
        (np.concatenate(parts[1])[None], held_scale),
        (both[None], bias_scale.astype(np.float32)),
    ]


_PERCENTILE = 99.9


def ranges_and_grids(graph: Graph, calibration: NDArray[Any]) -> tuple[dict[str, Range], tuple[tuple[float, int], ...]]:
    """Return the range of each value of a network, and the grids that a training with rounding takes in their order.

    Args:
        graph: float.
        calibration: samples as they arrive at its input.
    """
    names = values_of(network_section(graph))
    ranges = watch(graph, names, calibration, "percentile", _PERCENTILE)
    # What a ReLU follows is never rounded: one rounding serves both.
    before = {node.inputs[0] for node in graph.nodes if node.op == "Relu"}
    grids = [grid(*ranges[name]) for name in names if name not in before]
    return ranges, tuple((float(own.scale), own.zero) for own in grids)


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shorten(graph: Graph) -> Graph:
    """Give every interior value and constant a name of one or two letters; inputs and outputs keep their names."""
    public = {v.name for v in (*graph.inputs, *graph.outputs)} | {""}
    fresh = (name for name in map(_name, count()) if name not in public)
    names = {name: name for name in public}
    for name in (*graph.constants, *(output for node in graph.nodes for output in node.outputs)):
        if name not in names:
            names[name] = next(fresh)
    nodes = tuple(
        Node(
            op=node.op,
            inputs=tuple(names[n] for n in node.inputs),
            outputs=tuple(names[n] for n in node.outputs),
            attributes=node.attributes,
        )
        for node in graph.nodes
    )
    return msgspec.structs.replace(
        graph,
        nodes=nodes,
        constants={names[name]: array for name, array in graph.constants.items()},
        stages=tuple(StageMark(stage=mark.stage, value=names[mark.value]) for mark in graph.stages),
        boundary=names[graph.boundary],
    )


def _name(number: int) -> str:
    name = ""
    while True:
        number, letter = divmod(number, len(_LETTERS))
        name = _LETTERS[letter] + name
        if number == 0:
            return name
        number -= 1


def quantise(
    graph: Graph,
    calibration: NDArray[Any],
    *,
    method: Method = "minmax",
    percentile: float = 99.99,
    per_channel: PerChannel = "auto",
    levels: int = LEVELS,
    known: Mapping[str, Range] | None = None,
) -> Graph:
    """Return the int8 form of a graph.

    Args:
        graph: the whole float pipeline, with its boundary.
        calibration: raw training rows or windows, as they arrive at the graph's input.
        method: how ranges of activations are found, 'minmax' or 'percentile'.
        percentile: share of values inside the range for 'percentile', in per cent.
        per_channel: when each output channel of the weights has a scale of its own: 'always', 'never', or 'auto' (where
            it reduces the error).
        levels: the largest integer of the weights: 127, or 7 for weights of 4 bits kept in bytes.
        known: ranges that quantisation-aware training has already used; only other values are measured.

    Raises:
        InputError: when there is no network after the boundary, an operator has no integer form, or ranges cannot
            be found.
    """
    section = network_section(graph)
    ranges = dict(known or {})
    missing = tuple(name for name in values_of(section) if name not in ranges)
    if missing:
        ranges.update(watch(graph, missing, calibration, method, percentile))
    graph, section = cell_steps(graph, section, calibration)
    writer = _Writer(graph, section, ranges, per_channel, levels)
    writer.write()
    whole = msgspec.structs.replace(
        graph,
        nodes=(*section.before, *writer.nodes, *section.after),
        constants={**graph.constants, **writer.constants},
    )
    return shorten(prune(whole))


def values_of(section: Section) -> tuple[str, ...]:
    """Names of the values whose ranges the quantiser asks for: the network's input, and what every operator gives."""
    return tuple(dict.fromkeys((section.start, *(node.outputs[0] for node in section.inside))))


@dataclass(frozen=True)
class _QuantisedValue:
    """A quantised value: the name of its int8 form, the name of its float form, and its grid."""

    integers: str
    floats: str
    grid: Grid


class _Writer:
    """Writes the nodes of the integer part; the float form of each value keeps its original name."""

    def __init__(
        self, graph: Graph, section: Section, ranges: dict[str, Range], per_channel: PerChannel, levels: int
    ) -> None:
        self.graph, self.section, self.ranges = graph, section, ranges
        self.per_channel, self.levels = per_channel, levels
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._values: dict[str, _QuantisedValue] = {}

    def write(self) -> None:
        """Write all nodes from the start of the section to its end."""
        start = self.section.start
        self._round(start, start, grid(*self.ranges[start]), f"{start}.f")
        fused = self._fused()
        for node in self.section.inside:
            source = self._values.get(node.inputs[0])
            value = node.outputs[0]
            if node.op in RECURRENT:
                self._recurrent(node, value)
            elif node.op in WEIGHTED:
                self._weighted(node, f"{value}.r" if value not in fused else value)
                if value not in fused:
                    self._round(f"{value}.r", value, grid(*self.ranges[value]), value)
            elif node.op == "Add":
                self._add(node, f"{value}.r" if value not in fused else value)
                if value not in fused:
                    self._round(f"{value}.r", value, grid(*self.ranges[value]), value)
            elif source is None:
                # A ReLU directly after an operator with weights is rounded with it, over the range after the ReLU.
                self._node(node.op, node.inputs, f"{value}.r", node)
                self._round(f"{value}.r", value, grid(*self.ranges[value]), value)
            else:
                # ONNX Runtime moves numbers as integers only if the operator stands between two roundings.
                self._node(node.op, (source.floats, *node.inputs[1:]), f"{value}.r", node)
                chosen = SIGMOID if node.op in FIXED else source.grid if node.op in (*MOVES, *KEEPS) else None
                self._round(f"{value}.r", value, chosen or grid(*self.ranges[value]), value)

    def _fused(self) -> frozenset[str]:
        """Return the outputs of operators with weights and of sums whose only reader is one ReLU or ReLU6."""
        readers: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        values = (node.outputs[0] for node in self.section.inside if node.op in FUSING)
        inside = {node.outputs[0] for node in self.section.inside}
        after = {v: readers.get(v, []) for v in values}
        return frozenset(
            v
            for v, following in after.items()
            if len(following) == 1 and following[0].op in ENDS and following[0].outputs[0] in inside
        )

    def _add(self, node: Node, output: str) -> None:
        missing = [name for name in node.inputs if name not in self._values]
        if missing:
            raise Int8Error("an Add of two values of the network", f"the value {missing[0]!r}", "int8")
        self._node(node.op, tuple(self._values[name].floats for name in node.inputs), output, node)

    def _weighted(self, node: Node, output: str) -> None:
        source = self._values[node.inputs[0]]
        constants = self.graph.constants
        for name in node.inputs[1:]:
            if name and name not in constants:
                raise Int8Error("constant weights", f"the value {name!r}", f"operator {node.op}")
        if any(node.attributes.get(name, default) != default for name, default in _PLAIN.items()):
            raise Int8Error("a Gemm without factors or transposed inputs", str(node.attributes), "int8")
        bias = constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
        turned = node.op == "Gemm" and not node.attributes.get("transB", 0)
        axis = 1 if turned else 0
        depthwise = int(str(node.attributes.get("group", 1))) > 1
        integers = to_integers(
            constants[node.inputs[1]],
            bias,
            axis,
            source.grid.scale,
            self.per_channel,
            depthwise=depthwise,
            levels=self.levels,
        )
        along = {"axis": axis} if integers.per_channel and axis != 1 else {}
        # ONNX Runtime runs a dense layer on integers only if a zero point is written.
        zero = self._constant(np.zeros(integers.scale.shape, np.int8))
        weights = self._dequantised(self._constant(integers.weights), integers.scale, f"{output}.w", along, (zero,))
        inputs = [source.floats, weights]
        if integers.bias is not None:
            per_bias = {"axis": 0} if integers.per_channel else {}
            inputs.append(
                self._dequantised(self._constant(integers.bias), integers.bias_scale, f"{output}.b", per_bias)
            )
        self._node(node.op, tuple(inputs), output, node)

    def _recurrent(self, node: Node, value: str) -> None:
        """Write a recurrent operator; the state of an LSTM has the same grid as its output."""
        source, chosen = self._values[node.inputs[0]], grid(*self.ranges[value])
        missing = [name for name in node.inputs[1:] if name not in self.graph.constants]
        if missing:
            raise Int8Error("constant weights", f"the value {missing[0]!r}", f"operator {node.op}")
        arrays = tuple(self.graph.constants[name] for name in node.inputs[1:])
        quantised = gates_to_integers(node.op, arrays, source.grid.scale, chosen.scale, self.levels)
        names = [source.floats]
        for index, (integers, scale) in enumerate(quantised):
            zero = (self._constant(np.zeros(scale.shape, np.int8)),) if integers.dtype == np.int8 else ()
            names.append(
                self._dequantised(
                    self._constant(integers), scale, f"{value}.{index}", {"axis": 1} if scale.ndim else {}, zero
                )
            )
        self._node(node.op, tuple(names), f"{value}.r", node)
        self._round(f"{value}.r", value, chosen, value)

    def _dequantised(
        self, integers: str, scale: Array, name: str, attributes: dict[str, int], zero: tuple[str, ...] = ()
    ) -> str:
        """Write the conversion of integers to float without a zero point, which ONNX then takes as 0."""
        self.nodes.append(
            Node(
                op="DequantizeLinear",
                inputs=(integers, self._constant(scale), *zero),
                outputs=(name,),
                attributes=dict(attributes),
            )
        )
        return name

    def _round(self, source: str, value: str, chosen: Grid, floats: str) -> None:
        inputs = (source, self._constant(np.asarray(chosen.scale, np.float32)), self._zero(chosen))
        self.nodes.append(Node(op="QuantizeLinear", inputs=inputs, outputs=(f"{value}.q",)))
        self._read(value, chosen, floats)

    def _read(self, value: str, chosen: Grid, floats: str) -> None:
        inputs = (f"{value}.q", self._constant(np.asarray(chosen.scale, np.float32)), self._zero(chosen))
        self.nodes.append(Node(op="DequantizeLinear", inputs=inputs, outputs=(floats,)))
        self._values[value] = _QuantisedValue(f"{value}.q", floats, chosen)

    def _zero(self, chosen: Grid) -> str:
        return self._constant(np.asarray(chosen.zero, np.int8))

    def _node(self, op: str, inputs: tuple[str, ...], output: str, like: Node) -> None:
        self.nodes.append(Node(op=op, inputs=inputs, outputs=(output,), attributes=like.attributes))

    def _constant(self, array: Array) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = f"k.{len(self._shared)}"
            self.constants[self._shared[key]] = array
        return self._shared[key]


_PLAIN = {"alpha": 1.0, "beta": 1.0, "transA": 0}
