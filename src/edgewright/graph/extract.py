"""From a graph to a network in one form: operators with their weights, channels last, from the boundary on."""

from __future__ import annotations

from edgewright.core.integer.qdq import Integers, integer_network
from edgewright.core.integer.reader import FLAT, RECURRENT, WEIGHTED, Reader, obstacle
from edgewright.core.kernels import Weights
from edgewright.core.operators import where
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node
from edgewright.schema.integer import IntegerNetwork

__all__ = ["WEIGHTED", "float_network", "integer_network", "refuse_scattered", "value_names"]


def float_network(graph: Graph) -> IntegerNetwork:
    """Return the network of a float graph, from its boundary to its raw outputs, in the same form (rounding 'none').

    Raises:
        InputError: when there is no network after the boundary, or an operator is none of the known kinds.
    """
    return Floats(graph).read()


def value_names(graph: Graph) -> dict[int, str]:
    """Return the number of a value of the network -> the graph's value that holds it, bytes in a quantised graph.

    Values that only the network has, such as a window with its channels last, have none.
    """
    quantised = any(n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary for n in graph.nodes)
    reader = Integers(graph) if quantised else Floats(graph)
    reader.read()
    made: dict[int, str] = {}
    for name, number in reader.known.items():
        made.setdefault(number, name)
    return made


def refuse_scattered(graph: Graph) -> None:
    """Refuse a graph with rounded values that are no network after a boundary: none of its forms would hold them.

    Raises:
        InputError: naming the operators between its layers that have no integer form.
    """
    roundings = [node for node in graph.nodes if node.op == "QuantizeLinear"]
    if roundings and not any(node.inputs[0] == graph.boundary for node in roundings):
        raise InputError(
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
                raise InputError("a first input that the network computes", repr(node.inputs[0]), where(node))
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
                raise InputError("constant weights", f"the value {missing[0]!r}", where(node))
            last = 3 if node.op in RECURRENT else 2
            bias = self.constants[node.inputs[last]] if len(node.inputs) > last and node.inputs[last] else None
            weights = Weights(self.constants[node.inputs[1]], None, bias)
            state = Weights(self.constants[node.inputs[2]], None, None) if node.op in RECURRENT else None
        self.known[value] = self.compute(node, weights, (0.0, 0), activation, state)
        return value
