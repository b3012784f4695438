"""A graph made ready for C: shapes of one sample, constants worked out, equal nodes once, the network cut out."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError, ExportError
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph, IntegerNetwork, IntegerOperator, Node
from edgewright.export.c99_graph.frames import with_frames
from edgewright.export.c99_graph.recognition import with_kernels, with_spectra, with_walks
from edgewright.export.c99_graph.rows import with_early_picks
from edgewright.graph.extract import WEIGHTED, float_network, value_names

_LAST = (1, 2, 0)
# Operators that only move numbers.
_MOVED = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# Operators that leave the axes where they are.
_ALIKE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Clip", "Relu", "Cast", "Identity", "Pad", "QuantizeLinear", "DequantizeLinear"}
)
_CHANNELS_FIRST = frozenset({"Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"})


def image_channels(graph: Graph) -> Literal["first", "last", ""]:
    """Where the channels of a graph's input lie; nothing where it is no image or nothing in the graph says it."""
    if len(graph.inputs[0].shape) != 3:
        return ""
    orders: set[Literal["first", "last", ""]] = set()
    # Axes of the input in the order in which a value has them, the batch's included.
    order: dict[str, tuple[int, ...]] = {graph.inputs[0].name: (0, 1, 2, 3)}
    for node in graph.nodes:
        axes = next((order[name] for name in node.inputs if name in order), None)
        if axes is None:
            continue
        if node.op in _CHANNELS_FIRST and node.inputs[0] in order:
            orders.add("first" if axes == (0, 1, 2, 3) else "last" if axes == (0, 3, 1, 2) else "")
        elif node.op == "Transpose":
            perm = node.attributes.get("perm", (3, 2, 1, 0))
            order[node.outputs[0]] = tuple(axes[int(axis)] for axis in perm)  # type: ignore[union-attr]
        elif node.op in _ALIKE or _picks(node, graph):
            order[node.outputs[0]] = axes
    return orders.pop() if len(orders) == 1 else ""


def _picks(node: Node, graph: Graph) -> bool:
    """Return whether a node picks along an axis, and leaves the axes where they are."""
    places = graph.constants.get(node.inputs[1]) if node.op == "Gather" else None
    return places is not None and places.ndim == 1


def turning(network: IntegerNetwork) -> IntegerOperator | None:
    """Return the first operator of a network, where it does nothing but bring the channels of an image last."""
    first = network.operators[0] if network.operators else None
    image = len(network.values[network.input].shape) == 3
    turns = first is not None and first.kind == "transpose" and tuple(first.numbers["order"]) == _LAST
    return first if first is not None and image and turns and first.inputs[0] == network.input else None


def input_turn(graph: Graph, network: IntegerNetwork, *, image: bool) -> IntegerOperator | None:
    """Return the operator that NAME_network leaves out, so that its bytes come in the order of NAME_predict.

    Args:
        graph: the pipeline.
        network: its integers.
        image: whether NAME_predict takes an image with its channels last.
    """
    turn = turning(network)
    return turn if turn is not None and (image or _moved_back(graph)) else None


def _moved_back(graph: Graph) -> bool:
    """Return whether the numbers at the boundary, their channels last, lie as those of the input."""
    source, moved = graph.inputs[0], {graph.inputs[0].name}
    for node in graph.nodes:
        if node.op in _MOVED and node.inputs[0] in moved:
            moved.update(node.outputs)
    if graph.boundary not in moved:
        return False
    order = np.arange(math.prod(source.shape), dtype=np.int64)
    ordered = msgspec.structs.replace(graph, inputs=(msgspec.structs.replace(source, dtype="int64"),))
    value = compile_graph(ordered, (graph.boundary,))(order.reshape(1, *source.shape))[graph.boundary]
    return value.ndim == len(_LAST) + 1 and np.array_equal(np.moveaxis(value, 1, -1).ravel(), order)


def pixels(samples: NDArray[Any]) -> NDArray[Any]:
    """Return images (n, channels, height, width) as generated code takes them, (n, height, width, channels)."""
    return np.ascontiguousarray(np.moveaxis(samples, 1, -1))


# Operators that only move bytes are no layers, as in the stages of a proof.
_MOVES = frozenset({"reshape", "transpose", "pad"})
_LONGEST = 24


def layer_names(network: IntegerNetwork) -> dict[int, str]:
    """Return the number of the value that a layer gives -> its name, as 'dense_1', counted as a proof counts layers."""
    layers = [operator for operator in network.operators if operator.kind not in _MOVES]
    return {operator.output: f"{operator.kind}_{number}" for number, operator in enumerate(layers, 1)}


def node_names(graph: Graph, *, network: bool) -> dict[str, str]:
    """Output of a node -> the stage or layer that it works for, in letters of C; '' where none is known.

    Args:
        graph: a pipeline.
        network: whether its network is float, too.
    """
    marks = {mark.value: _word(mark.stage) for mark in graph.stages}
    if network:
        try:
            values, layers = value_names(graph), layer_names(float_network(graph))
            marks |= {values[number]: name for number, name in layers.items() if number in values}
        except EdgewrightError:
            # A graph without a network has stages at most.
            marks = dict(marks)
    names, name = {}, ""
    for node in reversed(graph.nodes):
        for output in node.outputs:
            name = marks.get(output, name)
            names[output] = name
    return names


def _word(stage: str) -> str:
    return re.sub(r"\W+", "_", stage, flags=re.ASCII).strip("_")[:_LONGEST] or "stage"


Key = tuple[str, tuple[str, ...], tuple[tuple[str, object], ...]]


@dataclass(frozen=True)
class Plan:
    """What is written, in this order: `before`, the integer network if there is one, `after`.

    Attributes:
        before: float nodes that do not need the network.
        after: float nodes that do, or all when the network is float.
        end: value the integer network gives in float form; empty without one.
        constants: by name, worked out ones included.
        shapes, kinds: of every computed value, batch axis of 1 included.
        uses: how often each value is read, by nodes, stages and outputs.
        alias: names of values that are another value.
        taps: value of each stage that C can show, by the stage's name.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    end: str
    constants: dict[str, Array]
    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    uses: Counter[str]
    alias: dict[str, str]
    taps: tuple[tuple[str, str], ...]


def plan_graph(graph: Graph, integer: bool) -> Plan:
    """Read a graph.

    Args:
        graph: whole pipeline.
        integer: whether an integer network takes the place of the nodes from the boundary to the raw outputs.

    Raises:
        InputError: for an input whose lengths are not fixed or that is no float, or a graph without a boundary where
            one is needed.
    """
    source = graph.inputs[0]
    if not source.shape or any(length < 1 for length in source.shape) or source.dtype not in ("float32", "float64"):
        raise ExportError(
            "a float input whose lengths are fixed", f"{source.dtype} of shape {source.shape}", f"graph {graph.name}"
        )
    end = network_end(graph) if integer else ""
    graph, alias = once(graph)
    graph = with_early_picks(graph, {name: tuple(array.shape) for name, array in values(graph).items()})
    graph, again = once(_flat(graph))
    alias |= again
    arrays = values(graph)
    framed = with_frames(graph, {name: tuple(array.shape) for name, array in arrays.items()})
    arrays = arrays if framed is graph else values(framed)
    graph = with_kernels(with_walks(with_spectra(framed)))
    before, after = _parts(graph, end, alias)
    constant = constant_values(graph)
    nodes = [n for n in (*before, *after) if n.outputs[0] not in constant]
    wanted = {alias.get(v.name, v.name) for v in graph.outputs}
    computed = {name for node in nodes for name in node.outputs} | {source.name, end}
    taps = tuple((s.stage, alias.get(s.value, s.value)) for s in graph.stages)
    uses: Counter[str] = Counter(name for node in nodes for name in node.inputs)
    uses.update(wanted)
    return Plan(
        before=tuple(n for n in before if n.outputs[0] not in constant),
        after=tuple(n for n in after if n.outputs[0] not in constant),
        end=end,
        constants={**graph.constants, **{name: arrays[name] for name in constant}},
        shapes={name: tuple(array.shape) for name, array in arrays.items()},
        kinds={name: _kind(array) for name, array in arrays.items()},
        uses=uses,
        alias=alias,
        taps=tuple(t for t in taps if t[1] in computed and _kind(arrays[t[1]]) == "float32"),
    )


def network_end(graph: Graph) -> str:
    """Return the value at which the integer network gives real numbers again.

    Raises:
        InputError: for a graph that has none.
    """
    computed = {name for node in graph.nodes for name in node.outputs}
    for node in reversed(graph.nodes):
        if node.op == "DequantizeLinear" and node.inputs[0] in computed:
            return node.outputs[0]
    reached, last = {graph.boundary} if graph.boundary else set(), ""
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            last = node.outputs[0] if node.op in WEIGHTED else last
    if not last:
        raise ExportError("a graph with a network after its boundary", "none", f"graph {graph.name}")
    return last


def values(graph: Graph) -> dict[str, Array]:
    """Return every value for a sample of zeros."""
    source = graph.inputs[0]
    sample = np.zeros((1, *source.shape), source.dtype)
    names = tuple(name for node in graph.nodes for name in node.outputs)
    return {source.name: sample, **compile_graph(graph, names)(sample)}


def _kind(array: Array) -> str:
    return {"f": "float32", "b": "bool"}.get(array.dtype.kind, "int32")


def _flat(graph: Graph) -> Graph:
    """Return the graph with values that are put together in two steps put together in one."""
    concatenations = {node.outputs[0]: node for node in graph.nodes if node.op == "Concat"}
    uses: Counter[str] = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update([value.name for value in graph.outputs] + [mark.value for mark in graph.stages] + [graph.boundary])
    nodes, gone = [], set()
    for node in graph.nodes:
        if node.op == "Concat":
            parts: list[str] = []
            for name in node.inputs:
                inner = concatenations.get(name)
                alone = inner is not None and uses[name] == 1
                if inner is not None and alone and inner.attributes.get("axis") == node.attributes.get("axis"):
                    gone.add(name)
                    parts += inner.inputs
                else:
                    parts.append(name)
            node = msgspec.structs.replace(node, inputs=tuple(parts))
            concatenations[node.outputs[0]] = node
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(n for n in nodes if n.outputs[0] not in gone))


def once(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Return the graph without nodes that compute what an earlier one has; names of theirs and what they now are."""
    known: dict[Key, str] = {}
    alias: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        key = (node.op, inputs, tuple(sorted(node.attributes.items())))
        if key in known:
            alias[node.outputs[0]] = known[key]
            continue
        known[key] = node.outputs[0]
        nodes.append(msgspec.structs.replace(node, inputs=inputs))
    return msgspec.structs.replace(graph, nodes=tuple(nodes)), alias


def constant_values(graph: Graph) -> set[str]:
    """Return values that do not depend on the input."""
    known = set(graph.constants)
    names: set[str] = set()
    for node in graph.nodes:
        # Lengths are fixed, so a value's shape is a constant too.
        if node.op == "Shape" or (node.inputs and all(not name or name in known for name in node.inputs)):
            known.update(node.outputs)
            names.update(node.outputs)
    return names


def _parts(graph: Graph, end: str, alias: dict[str, str]) -> tuple[list[Node], list[Node]]:
    """Needed nodes before and after the integer network; all before when there is none."""
    end = alias.get(end, end)
    after_end = {end} if end else set()
    for node in graph.nodes:
        if after_end.intersection(node.inputs):
            after_end.update(node.outputs)
    needed = {alias.get(v.name, v.name) for v in graph.outputs} | ({graph.boundary} if end else set())
    before: list[Node] = []
    after: list[Node] = []
    for node in reversed(graph.nodes):
        if end in node.outputs or not needed.intersection(node.outputs):
            continue
        needed.update(node.inputs)
        (after if after_end.intersection(node.inputs) else before).append(node)
    return before[::-1], after[::-1]
