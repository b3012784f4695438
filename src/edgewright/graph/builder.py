"""Building a graph node by node; equal constants are shared."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from edgewright.schema.graph import Array, Attribute, Graph, Node, StageMark, Value


def leading_to(graph: Graph, values: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes on which some values depend, in their order."""
    needed, kept = set(values), list[Node]()
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(kept[::-1])


def prune(graph: Graph) -> Graph:
    """Remove nodes and constants on which no output and no stage end depends."""
    ends = {v.name for v in graph.outputs} | {mark.value for mark in graph.stages} | {graph.boundary}
    nodes = leading_to(graph, ends)
    needed = ends.union(*(node.inputs for node in nodes))
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return msgspec.structs.replace(graph, nodes=nodes, constants=constants)


class Builder:
    """Collects nodes and constants; `finish` gives the frozen graph.

    Args:
        name: name of the graph.
        input_name: name of its one input.
        shape: shape of one sample, without the batch axis: (columns,) or (channels, samples).
        labels: names of the classes, in the order of the probabilities.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], *, input_name: str = "input", labels: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.input = input_name
        self.labels = labels
        self._inputs = (Value(name=input_name, shape=shape),)
        self._nodes: list[Node] = []
        self._constants: dict[str, Array] = {}
        self._by_content: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._stages: list[StageMark] = []
        self._boundary = ""
        self._count = 0

    def constant(self, array: Array) -> str:
        """Return the name of a constant; equal arrays (dtype, shape and bytes) share one name."""
        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._by_content:
            name = f"c{len(self._constants)}"
            self._by_content[key] = name
            self._constants[name] = array
        return self._by_content[key]

    def number(self, value: float) -> str:
        """Return a float32 scalar constant."""
        return self.constant(np.asarray(value, np.float32))

    def integers(self, *values: int) -> str:
        """Return an int64 vector constant, for Reshape, Slice and the reductions."""
        return self.constant(np.asarray(values, np.int64))

    def op(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Append an operator with one output and return the name of the output."""
        self._count += 1
        output = f"v{self._count}"
        self._nodes.append(Node(op=op, inputs=inputs, outputs=(output,), attributes=attributes))
        return output

    def shared(self, op: str, *inputs: str, **attributes: Attribute) -> str:
        """Append a node as `op` does, or return the output of an equal node."""
        for node in self._nodes:
            if node.op == op and node.inputs == inputs and node.attributes == attributes:
                return node.outputs[0]
        return self.op(op, *inputs, **attributes)

    def stage(self, name: str, value: str) -> None:
        """Mark `value` as the output of the stage `name`."""
        self._stages.append(StageMark(stage=name, value=value))

    def boundary(self, value: str) -> None:
        """Mark `value` as the end of float preprocessing, after which the int8 network may begin."""
        self._boundary = value

    def finish(
        self, outputs: dict[str, tuple[str, str, tuple[int, ...]]], metadata: dict[str, str] | None = None
    ) -> Graph:
        """Freeze the graph.

        Args:
            outputs: public name -> (value, dtype, shape without the batch axis).
            metadata: text that is stored in the model.
        """
        public = {value: name for name, (value, _, _) in outputs.items()}
        rename = {value: public.get(value, value) for node in self._nodes for value in node.outputs}
        nodes = tuple(
            Node(
                op=node.op,
                inputs=tuple(rename.get(v, v) for v in node.inputs),
                outputs=tuple(rename[v] for v in node.outputs),
                attributes=node.attributes,
            )
            for node in self._nodes
        )
        return Graph(
            name=self.name,
            inputs=self._inputs,
            outputs=tuple(Value(name=n, dtype=dtype, shape=shape) for n, (_, dtype, shape) in outputs.items()),
            nodes=nodes,
            constants=self._constants,
            stages=tuple(StageMark(stage=s.stage, value=rename.get(s.value, s.value)) for s in self._stages),
            boundary=rename.get(self._boundary, self._boundary),
            labels=self.labels,
            metadata=metadata or {},
        )
