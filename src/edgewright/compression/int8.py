"""Post-training quantisation of the network part of a graph to signed bytes.

The result is plain ONNX with QuantizeLinear and DequantizeLinear around every operator, so that any engine runs it and
every scale and zero point can be read back from the graph. The rules are those LiteRT's integer kernels accept:
activations asymmetric int8, weights symmetric int8, biases int32 with scale `input scale * weight scale`, pools that
keep their scale, and raw outputs as int8. Float preprocessing before the boundary and softmax after the network stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.recurrent import cell_steps, gates_to_integers
from edgewright.compression.section import (
    ENDS,
    FIXED,
    FUSING,
    KEEPS,
    MOVES,
    RECURRENT,
    WEIGHTED,
    Section,
    network_section,
)
from edgewright.compression.weights import LEVELS, SIGMOID, Grid, Method, PerChannel, Range, grid, to_integers, watch
from edgewright.graph.builder import prune
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node, StageMark

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shorten(graph: Graph) -> Graph:
    """Give every interior value and constant a name of one or two letters; inputs and outputs keep theirs."""
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
        per_channel: a scale for each output channel of the weights 'always', 'never', or where it pays ('auto').
        levels: the largest integer of the weights: 127, or 7 for weights of 4 bits kept in bytes.
        known: ranges of values that a training with fake quantisation has used; only the others are watched.

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
    """A value as integers: the name of its int8 form, of its float form, and its grid."""

    integers: str
    floats: str
    grid: Grid


class _Writer:
    """Writes the nodes of the integer part; the float form of every value keeps its name."""

    def __init__(
        self, graph: Graph, section: Section, ranges: dict[str, Range], per_channel: PerChannel, levels: int
    ) -> None:
        self.graph, self.section, self.ranges = graph, section, ranges
        self.per_channel, self.levels = per_channel, levels
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._held: dict[str, _QuantisedValue] = {}

    def write(self) -> None:
        """Write all nodes from the start of the section to its end."""
        start = self.section.start
        self._round(start, start, grid(*self.ranges[start]), f"{start}.f")
        fused = self._fused()
        for node in self.section.inside:
            source = self._held.get(node.inputs[0])
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
                # ReLU right after an operator with weights: one rounding for both, over the range after ReLU.
                self._node(node.op, node.inputs, f"{value}.r", node)
                self._round(f"{value}.r", value, grid(*self.ranges[value]), value)
            else:
                # ONNX Runtime keeps integers over what moves them only where it is written between two roundings, too.
                self._node(node.op, (source.floats, *node.inputs[1:]), f"{value}.r", node)
                chosen = SIGMOID if node.op in FIXED else source.grid if node.op in (*MOVES, *KEEPS) else None
                self._round(f"{value}.r", value, chosen or grid(*self.ranges[value]), value)

    def _fused(self) -> frozenset[str]:
        """Return outputs of operators with weights, and of sums, that go to one ReLU or ReLU6 and nowhere else."""
        readers: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        values = (node.outputs[0] for node in self.section.inside if node.op in FUSING)
        inside = {node.outputs[0] for node in self.section.inside}
        after = {v: readers.get(v, []) for v in values}
        return frozenset(
            v for v, found in after.items() if len(found) == 1 and found[0].op in ENDS and found[0].outputs[0] in inside
        )

    def _add(self, node: Node, output: str) -> None:
        missing = [name for name in node.inputs if name not in self._held]
        if missing:
            raise InputError("an Add of two values of the network", f"the value {missing[0]!r}", "int8")
        self._node(node.op, tuple(self._held[name].floats for name in node.inputs), output, node)

    def _weighted(self, node: Node, output: str) -> None:
        source = self._held[node.inputs[0]]
        constants = self.graph.constants
        for name in node.inputs[1:]:
            if name and name not in constants:
                raise InputError("constant weights", f"the value {name!r}", f"operator {node.op}")
        if any(node.attributes.get(name, default) != default for name, default in _PLAIN.items()):
            raise InputError("a Gemm without factors or transposed inputs", str(node.attributes), "int8")
        bias = constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
        turned = node.op == "Gemm" and not node.attributes.get("transB", 0)
        axis = 1 if turned else 0
        apart = int(str(node.attributes.get("group", 1))) > 1
        made = to_integers(
            constants[node.inputs[1]], bias, axis, source.grid.scale, self.per_channel, apart=apart, levels=self.levels
        )
        along = {"axis": axis} if made.per_channel and axis != 1 else {}
        # ONNX Runtime takes a dense layer in as integers only where a zero point is written.
        zero = self._constant(np.zeros(made.scale.shape, np.int8))
        weights = self._dequantised(self._constant(made.weights), made.scale, f"{output}.w", along, (zero,))
        inputs = [source.floats, weights]
        if made.bias is not None:
            per_bias = {"axis": 0} if made.per_channel else {}
            inputs.append(self._dequantised(self._constant(made.bias), made.bias_scale, f"{output}.b", per_bias))
        self._node(node.op, tuple(inputs), output, node)

    def _recurrent(self, node: Node, value: str) -> None:
        """Write an operator with a state; of an LSTM it has the grid of what comes out."""
        source, chosen = self._held[node.inputs[0]], grid(*self.ranges[value])
        missing = [name for name in node.inputs[1:] if name not in self.graph.constants]
        if missing:
            raise InputError("constant weights", f"the value {missing[0]!r}", f"operator {node.op}")
        arrays = tuple(self.graph.constants[name] for name in node.inputs[1:])
        made = gates_to_integers(node.op, arrays, source.grid.scale, chosen.scale, self.levels)
        names = [source.floats]
        for index, (integers, scale) in enumerate(made):
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
        """Read integers whose zero point is 0, which ONNX takes for granted when it is left out."""
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
        self._held[value] = _QuantisedValue(f"{value}.q", floats, chosen)

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
