"""A whole pipeline as one .tflite file: raw row or window in, answers out. See docs/adr/0016.

Vela refuses a whole file for one ARG_MAX of floats. Before DEQUANTIZE the same label is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.errors import ExportError
from edgewright.core.operators._attributes import integer
from edgewright.core.records.network import Array, Graph, IntegerNetwork, IntegerValue, Node
from edgewright.export._tflite_builder import TfliteBuilder
from edgewright.export.c99_graph.graph import constant_values, network_end, once, values
from edgewright.export.tflite_graph_operators import Site, write
from edgewright.export.tflite_operators import append_network, value_tensor

# Two bytes a step apart must give two probabilities that float32 tells apart: exp(-1e-4) is 800 of its steps below 1.
_SMALLEST_STEP = 1e-4


def integer_labels(
    nodes: Sequence[Node], end: str, constants: Mapping[str, Array], network: IntegerNetwork
) -> frozenset[str]:
    """Return the values that are an ArgMax of what grows with the network's bytes.

    Args:
        nodes: that come after the network.
        end: value that the network's raw outputs are.
        constants: by name.
        network: a float one, or one that gives no row of values, has no such labels.
    """
    last = network.values[network.output]
    if not last.scale or len(last.shape) != 1:
        return frozenset()
    steps, ordered, masked = {end: float(last.scale)}, set[str](), set[str]()
    labels: dict[str, str] = {}
    for node in nodes:
        source, name = (node.inputs or ("",))[0], node.outputs[0]
        if node.op in ("Mul", "Div") and source in steps:
            by = constants.get(node.inputs[1])
            factor = 0.0 if by is None or by.size != 1 else float(by.reshape(-1)[0])
            if 0 < factor < float("inf"):
                steps[name] = steps[source] * factor if node.op == "Mul" else steps[source] / factor
        elif node.op == "Softmax" and steps.get(source, 0.0) >= _SMALLEST_STEP and integer(node, "axis", -1) in (1, -1):
            ordered.add(name)
        elif node.op == "Where" and node.inputs[1] in ordered and node.inputs[2] in constants:
            masked.add(name)
        elif node.op == "ArgMax" and source in {*steps, *ordered, *masked} and _is_plain(node):
            labels[name] = source
    return frozenset(name for name, source in labels.items() if source not in masked or _replaced(nodes, name, source))


def _is_plain(node: Node) -> bool:
    """Return whether the first largest value of a row is asked for, as a number."""
    last, keeps = integer(node, "select_last_index", 0), integer(node, "keepdims", 1)
    return integer(node, "axis", 0) in (1, -1) and not keeps and not last


def _replaced(nodes: Sequence[Node], label: str, source: str) -> bool:
    """Return whether a label only lives on where its probabilities were not masked: see `graph.builder`."""
    producer = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        if label not in node.inputs:
            continue
        sure = producer.get(node.inputs[0])
        top = None if sure is None or sure.op != "Greater" else producer.get(sure.inputs[0])
        if node.op != "Where" or node.inputs[1] != label or top is None or top.inputs[0] != source:
            return False
    return label in {name for node in nodes for name in node.inputs}


@dataclass(frozen=True)
class Plan:
    """What is written, in this order: `before`, the network if there is one, `after`.

    Attributes:
        before: float nodes that do not need the network, or all where there is none.
        after: float nodes that need it.
        end: value that the network's raw outputs are; empty without one.
        constants: by name, worked out ones included.
        sample: every computed value for a sample of zeros, the batch axis of 1 included.
        alias: names of values that are another value.
        missing: values in which a missing number may arrive, the input among them.
        limited: whether what arrives at the boundary is held between two limits.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    end: str
    constants: dict[str, Array]
    sample: dict[str, Array]
    alias: dict[str, str]
    missing: frozenset[str]
    limited: bool


def plan_whole(graph: Graph, network: IntegerNetwork | None) -> Plan:
    """Read a graph.

    Args:
        graph: whole.
        network: that takes the place of the nodes from the boundary to the raw outputs; None for no such place.

    Raises:
        InputError: for an input whose lengths are not fixed or that is no float.
    """
    if len(graph.inputs) != 1:
        raise ExportError("a graph with one input", f"{len(graph.inputs)}", f"graph {graph.name}")
    source = graph.inputs[0]
    if not source.shape or min(source.shape) < 1 or source.dtype not in ("float32", "float64"):
        got = f"{source.dtype} of shape {source.shape}"
        raise ExportError("a float input whose lengths are fixed", got, f"graph {graph.name}")
    end = "" if network is None else network_end(graph)
    sample = values(graph)
    graph, alias = once(graph)
    nodes, worked_out = graph.nodes, constant_values(graph)
    last = alias.get(graph.boundary, graph.boundary)
    wanted = {alias.get(v.name, v.name) for v in graph.outputs} | ({last} if end else set())
    kept = [n for n in _needed(nodes, wanted, end) if n.outputs[0] not in worked_out]
    reached = _reached(kept, end)
    boundary = [n for n in kept if last in n.outputs]
    return Plan(
        before=tuple(n for n in kept if n.outputs[0] not in reached),
        after=tuple(n for n in kept if n.outputs[0] in reached),
        end=end,
        constants={**graph.constants, **{name: sample[name] for name in worked_out}},
        sample=sample,
        alias=alias,
        missing=_missing(nodes, source.name),
        limited=any(n.op == "Clip" and all(n.inputs[1:]) and len(n.inputs) == 3 for n in boundary),
    )


def _needed(nodes: Sequence[Node], wanted: set[str], end: str) -> list[Node]:
    """Return nodes that the wanted values depend on, those between the boundary and `end` left out."""
    kept, wanted = [], set(wanted)
    for node in reversed(nodes):
        if end in node.outputs or not wanted.intersection(node.outputs):
            continue
        wanted.update(node.inputs)
        kept.append(node)
    return kept[::-1]


def _reached(nodes: list[Node], end: str) -> set[str]:
    reached = {end} if end else set()
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
    return reached


def _missing(nodes: Sequence[Node], source: str) -> frozenset[str]:
    """Return values that a missing number of the input reaches: a Where that asks for it is where it ends."""
    names, requested = {source}, {}
    for node in nodes:
        if node.op == "IsNaN":
            requested[node.outputs[0]] = node.inputs[0]
        elif node.op == "Where" and requested.get(node.inputs[0]) == node.inputs[2]:
            names.update(node.outputs if node.inputs[1] in names else ())
        elif names.intersection(node.inputs):
            names.update(node.outputs)
    return frozenset(names)


# Metadata of a graph that a file carries too.
_PREFIX = "edgewright."


@dataclass(frozen=True)
class Whole:
    """A file with where its values are.

    Attributes:
        builder: that holds the tensors and operators.
        source: tensor of the input, float32.
        outputs: tensors of the public outputs, in the graph's order.
        values: tensor of each float value of the graph that is computed outside the network, by its name.
        layers: tensor of each value of the network, by its number; empty without one.
    """

    builder: TfliteBuilder
    source: int
    outputs: tuple[int, ...]
    values: dict[str, int]
    layers: dict[int, int]

    def model(self, shown: Iterable[int] = ()) -> bytes:
        """Return the file's bytes; `shown` tensors become further outputs."""
        more = [tensor for tensor in dict.fromkeys(shown) if tensor not in (*self.outputs, self.source)]
        return self.builder.finish((self.source,), (*self.outputs, *more))


def write_whole(graph: Graph, network: IntegerNetwork | None) -> Whole:
    """Write a pipeline, one sample a run.

    The input is float32 in the graph's shape with a batch axis of 1, missing values included; outputs have the
    graph's names, whole numbers are int32.

    Args:
        graph: whole.
        network: what stands between its boundary and its raw outputs, of integers or float; None for a graph of which
            every operator is written as it is.

    Raises:
        InputError: naming the operator and the node that .tflite cannot hold.
    """
    plan = plan_whole(graph, network)
    return _Writer(graph, network, plan).write()


class _Writer:
    def __init__(self, graph: Graph, network: IntegerNetwork | None, plan: Plan) -> None:
        self.graph, self.network, self.plan = graph, network, plan
        self.builder = TfliteBuilder(graph.name, _metadata(graph))
        self.tensors: dict[str, int] = {}
        self.layers: dict[int, int] = {}
        self._boundary = plan.alias.get(graph.boundary, graph.boundary)
        # Labels that are looked for among bytes.
        self._of_bytes = (
            frozenset[str]() if network is None else integer_labels(plan.after, plan.end, plan.constants, network)
        )

    def write(self) -> Whole:
        source = self.graph.inputs[0]
        first = self.builder.tensor((1, *source.shape), "float32", name=source.name)
        self.tensors[source.name] = first
        self._nodes(before=True)
        if self.network is not None:
            self._network(self.network)
        self._nodes(before=False)
        outputs = []
        for value in self.graph.outputs:
            name = self.plan.alias.get(value.name, value.name)
            if name not in self.tensors:
                self.tensors[name] = self.builder.constant(self.plan.constants[name])
            self.builder.name(self.tensors[name], value.name)
            outputs.append(self.tensors[name])
        named = {name: self.tensors[other] for name, other in self.plan.alias.items() if other in self.tensors}
        return Whole(self.builder, first, tuple(outputs), {**named, **self.tensors}, self.layers)

    def _nodes(self, *, before: bool) -> None:
        plan = self.plan
        for node in plan.before if before else plan.after:
            if self.network is not None and node.outputs[0] in self._of_bytes:
                self._label(node, self.layers[self.network.output])
                continue
            write(Site(self.builder, node, self.tensors, plan.sample, plan.constants))

    def _label(self, node: Node, raw: int) -> None:
        """Write ARG_MAX over the network's bytes: compilers for integers refuse it over floats."""
        shape = tuple(self.plan.sample[node.outputs[0]].shape)
        axis = self.builder.constant(np.asarray(1, np.int32))
        number = self.builder.step("ARG_MAX", (raw, axis), shape, "int32", outputType=schema.TensorType.INT32)
        self.tensors[node.outputs[0]] = number

    def _network(self, network: IntegerNetwork) -> None:
        """Write the network, between QUANTIZE and DEQUANTIZE where it is an integer one."""
        boundary = self.tensors[self._boundary]
        first, last = network.values[network.input], network.values[network.output]
        if first.scale:
            self.layers[network.input] = value_tensor(self.builder, first)
            limited = self._limited(boundary, first)
            self.builder.operator("QUANTIZE", 1, (limited,), (self.layers[network.input],), schema.QuantizeOptionsT())
        else:
            self.layers[network.input] = boundary
        append_network(self.builder, network, self.layers)
        raw = self.layers[network.output]
        if last.scale:
            raw = self.builder.step("DEQUANTIZE", (raw,), (1, *last.shape), version=2)
        self.tensors[self.plan.end] = self._graph_layout(raw, last)

    def _limited(self, value: int, grid: IntegerValue) -> int:
        """Clip a value so that QUANTIZE rounds it as the reference does; missing values become 0."""
        shape = (1, *grid.shape)
        if self._boundary in self.plan.missing:
            away = self.builder.step("NOT_EQUAL", (value, value), shape, "bool")
            value = self.builder.step("SELECT_V2", (away, self.builder.number(0.0), value), shape)
        if self.plan.limited:
            return value
        # A step beyond the grid at either end, so that nothing on it is touched.
        low, high = ((end - grid.zero) * grid.scale for end in (-129, 128))
        for name, limit in (("MAXIMUM", low), ("MINIMUM", high)):
            value = self.builder.step(name, (self.builder.number(limit), value), shape)
        return value

    def _graph_layout(self, value: int, grid: IntegerValue) -> int:
        """Raw outputs as the graph has them: channels before height and width."""
        wanted = tuple(self.plan.sample[self.plan.end].shape)
        shape = (1, *grid.shape)
        if len(shape) == 4:
            order = self.builder.constant(np.asarray((0, 3, 1, 2), np.int32))
            shape = tuple(shape[i] for i in (0, 3, 1, 2))
            value = self.builder.step("TRANSPOSE", (value, order), shape)
        if shape != wanted:
            lengths = self.builder.constant(np.asarray(wanted, np.int32))
            value = self.builder.step("RESHAPE", (value, lengths), wanted, newShape=list(wanted))
        return value


def _metadata(graph: Graph) -> dict[str, str]:
    """Label, and what the graph carries under its own prefix: declared input ranges, the rounding."""
    entries = {key: text for key, text in graph.metadata.items() if key.startswith(_PREFIX)}
    if graph.labels:
        entries[f"{_PREFIX}labels"] = json.dumps(graph.labels, ensure_ascii=False)
    return dict(sorted(entries.items()))
