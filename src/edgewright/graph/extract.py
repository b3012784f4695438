"""Extraction of the network of a graph: operators with their weights, channels last, from the boundary on."""

from __future__ import annotations

import msgspec

from edgewright.core.errors import InputError, OnnxError
from edgewright.core.integer.network import FLAT, RECURRENT, WEIGHTED, Reader, obstacle
from edgewright.core.integer.qdq import Integers, integer_network
from edgewright.core.kernels import Weights
from edgewright.core.operators import where
from edgewright.core.records.network import Graph, IntegerNetwork, Node, StageMark

__all__ = ["WEIGHTED", "float_network", "integer_network", "refuse_scattered", "value_names"]
BYTES, OUTPUT = "boundary bytes", "raw output"
MODEL, BOUNDARY = "model", "boundary"
# Operators of a network that only move values; they are no stages of their own.
_MOVES = frozenset({"reshape", "transpose", "pad"})


def float_network(graph: Graph) -> IntegerNetwork:
    """Return the network of a float graph, from its boundary to its raw outputs, in the same form (rounding 'none').

    Raises:
        InputError: there is no network after the boundary, or an operator is of an unknown kind.
    """
    return Floats(graph).read()


def value_names(graph: Graph) -> dict[int, str]:
    """Return the graph's value for each number of a value of the network; in a quantised graph it holds bytes.

    Values that only the network has, such as a window with channels last, are absent.
    """
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    reader = Integers(graph) if quantised else Floats(graph)
    reader.read()
    unseen = reader.unseen if isinstance(reader, Integers) else ()
    names: dict[int, str] = {}
    for name, number in reader.known.items():
        if name not in unseen:
            names.setdefault(number, name)
    return names


def refuse_scattered(graph: Graph) -> None:
    """Refuse a graph with rounded values outside of a network after a boundary, because no form can contain them.

    Raises:
        InputError: some operators between its layers have no integer form; the message names them.
    """
    roundings = [node for node in graph.nodes if node.op == "QuantizeLinear"]
    if roundings and not any(node.inputs[0] == graph.boundary for node in roundings):
        raise OnnxError(
            "a quantised model whose layers are one network",
            obstacle(graph),
            f"graph {graph.name}",
            "Give the float model and let `edgewright compress --int8` quantise it, or export it to onnx",
        )


class Floats(Reader):
    """A float graph: every value is visible; the network ends at the last operator with weights."""

    def read(self) -> IntegerNetwork:
        boundary = self.graph.boundary
        reached, last = {boundary}, -1
        for index, node in enumerate(self.graph.nodes):
            if boundary and reached.intersection(node.inputs):
                reached.update(node.outputs)
                last = index if node.op in WEIGHTED else last
        if last >= 0:
            self.known[boundary] = self.start(boundary, (0.0, 0))
        done: set[str] = set()
        for node in self.graph.nodes[: last + 1]:
            if node.outputs[0] in done or not reached.intersection(node.inputs):
                continue
            if node.inputs[0] not in self.known:
                raise OnnxError("a first input that the network computes", repr(node.inputs[0]), where(node))
            done.add(self.operator(node, fuse=node is not self.graph.nodes[last]))
        return self.finish()

    def operator(self, node: Node, fuse: bool) -> str:
        activation, value = self.fused(node) if fuse else ("", node.outputs[0])
        if node.op in FLAT:
            self.known[value] = self.flatten(node, self.known[node.inputs[0]])
            return value
        weights = state = None
        if node.op in WEIGHTED:
            missing = [name for name in node.inputs[1:] if name and name not in self.constants]
            if missing:
                raise OnnxError("constant weights", f"the value {missing[0]!r}", where(node))
            last = 3 if node.op in RECURRENT else 2
            bias = self.constants[node.inputs[last]] if len(node.inputs) > last and node.inputs[last] else None
            weights = Weights(self.constants[node.inputs[1]], None, bias)
            state = Weights(self.constants[node.inputs[2]], None, None) if node.op in RECURRENT else None
        self.known[value] = self.compute(node, weights, (0.0, 0), activation, state)
        return value


def preprocessing(graph: Graph) -> dict[str, str]:
    """Stage -> the graph's value that ends it, up to the boundary."""
    source = graph.inputs[0].name
    stages = {mark.stage: mark.value for mark in graph.stages if mark.stage != MODEL and mark.value != source}
    if graph.boundary and graph.boundary != source and graph.boundary not in stages.values():
        stages[BOUNDARY] = graph.boundary
    return stages


def layers(network: IntegerNetwork) -> dict[str, int]:
    """Layer -> number of the value it gives; the last one is the raw output."""
    indices: dict[str, int] = {}
    for operator in network.operators:
        if operator.kind in _MOVES:
            continue
        indices[f"layer {len(indices) + 1} {operator.kind.replace('_', ' ')}"] = operator.output
    if not indices:
        return {OUTPUT: network.output}
    last = next(reversed(indices))
    indices.pop(last)
    return {**indices, OUTPUT: network.output}


def network_values(graph: Graph, network: IntegerNetwork | None) -> dict[str, str]:
    """Stage of the network -> the graph's value that holds it; nothing for a graph without a network."""
    if network is None:
        return {}
    names = value_names(graph)
    result = {BYTES: _bytes_of(graph)} if network.rounding != "none" else {}
    return {**result, **{stage: names[number] for stage, number in layers(network).items() if number in names}}


def _bytes_of(graph: Graph) -> str:
    return next(n.outputs[0] for n in graph.nodes if n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary)


def float_part(graph: Graph) -> IntegerNetwork | None:
    """Return the network of a float graph; None if it has no network that can be read."""
    try:
        return float_network(graph)
    except InputError:
        return None


def marked_stages(graph: Graph, network: IntegerNetwork | None) -> tuple[Graph, dict[int, str]]:
    """Return the graph with all stages marked, and the names of the integer network's values by number.

    Args:
        graph: graph of the whole pipeline.
        network: integer network of the graph; None for a float form.
    """
    stages = preprocessing(graph)
    inside: dict[int, str] = {}
    if network is None:
        stages |= network_values(graph, float_part(graph))
    else:
        inside = {number: stage for stage, number in layers(network).items()}
        inside.setdefault(network.input, BYTES)
    marks = tuple(StageMark(stage=stage, value=value) for stage, value in stages.items())
    return msgspec.structs.replace(graph, stages=marks), inside
