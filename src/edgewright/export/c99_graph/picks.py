"""Choices of channels moved up to where the channels come from, so that what is between needs one row of memory."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import prune
from edgewright.schema.graph import Array, Graph, Node

# Operators that work value by value and are cheap to repeat.
CHEAP = frozenset({"Add", "Sub", "Mul", "Neg", "Abs", "Max", "Min", "Relu", "Where", "Cast", "LessOrEqual"})
# Samples from which a row counts as long.
LONG = 16
_DEEPEST = 6

Places = NDArray[np.int64]


def channels_of(node: Node, constants: dict[str, Array], shapes: dict[str, tuple[int, ...]]) -> Places | None:
    """Return the constant places at which a node picks long rows of a value, or None for another node."""
    if node.op != "Gather" or node.attributes.get("axis", 0) != 1 or node.inputs[1] not in constants:
        return None
    shape, places = shapes.get(node.inputs[0], ()), np.asarray(constants[node.inputs[1]], np.int64)
    if places.ndim != 1 or len(shape) < 2:
        return None
    return np.where(places < 0, places + shape[1], places)


def with_early_picks(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> Graph:
    """Return the graph with channels picked before they are worked out, not after.

    A pick of long rows from a value that cheap operators made becomes those operators over picked rows: the value
    itself need not lie in memory. Picks of picks become one.

    Args:
        graph: whose shapes are known.
        shapes: by value, batch axis of 1 included.
    """
    return _Mover(graph, shapes).moved()


class _Mover:
    def __init__(self, graph: Graph, shapes: dict[str, tuple[int, ...]]) -> None:
        self.graph, self.shapes = graph, shapes
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        self.constants = dict(graph.constants)
        self.fresh: list[Node] = []
        self.known: dict[tuple[str, bytes], str] = {}

    def moved(self) -> Graph:
        nodes: list[Node] = []
        for node in self.graph.nodes:
            places = channels_of(node, self.graph.constants, self.shapes)
            if places is not None and self._long(node.inputs[0]) and self._movable(node.inputs[0], 0):
                self.fresh = []
                name = self._picked(node.inputs[0], places)
                last = (
                    next(fresh_node for fresh_node in self.fresh[::-1] if name in fresh_node.outputs)
                    if self.fresh
                    else None
                )
                if last is not None:
                    nodes += [fresh_node for fresh_node in self.fresh if fresh_node is not last]
                    nodes.append(msgspec.structs.replace(last, outputs=node.outputs))
                    self.known = {key: value for key, value in self.known.items() if value != name}
                    continue
            nodes.append(node)
        if len(nodes) == len(self.graph.nodes):
            return self.graph
        return prune(msgspec.structs.replace(self.graph, nodes=tuple(nodes), constants=self.constants))

    def _long(self, name: str) -> bool:
        shape = self.shapes.get(name, ())
        return len(shape) > 2 and int(np.prod(shape[2:])) >= LONG

    def _movable(self, name: str, depth: int) -> bool:
        """Return whether a value is cheap to work out again from picked rows."""
        node = self.makers.get(name)
        if node is None or depth > _DEEPEST or not self._long(name):
            return False
        if channels_of(node, self.graph.constants, self.shapes) is not None:
            return True
        return node.op in CHEAP and all(self._takes(given, name) for given in node.inputs) and any(
            self._movable(given, depth + 1) for given in node.inputs
        )  # fmt: skip

    def _takes(self, given: str, name: str) -> bool:
        """Return whether rows of an input belong to rows of the value: the same axes, or none of their own."""
        shape = self.shapes.get(given, ())
        if given in self.constants:
            return True
        return len(shape) == len(self.shapes[name]) and shape[1] in (1, self.shapes[name][1])

    def _picked(self, name: str, places: Places) -> str:
        """Return the name of some rows of a value."""
        key = name, places.tobytes()
        if key in self.known:
            return self.known[key]
        node = self.makers.get(name)
        before = None if node is None else channels_of(node, self.graph.constants, self.shapes)
        if node is not None and before is not None and self._long(name):
            picked = self._pick(node.inputs[0], before[places])
        elif node is not None and self._movable(name, 0):
            inputs = tuple(self._part(given, name, places) for given in node.inputs)
            picked = f"{name} rows {len(self.known)}"
            self.fresh.append(msgspec.structs.replace(node, inputs=inputs, outputs=(picked,)))
        else:
            picked = self._pick(name, places)
        self.known[key] = picked
        return picked

    def _part(self, given: str, name: str, places: Places) -> str:
        rows, rank = self.shapes[name][1], len(self.shapes[name])
        if given in self.constants:
            array = self.constants[given]
            axis = array.ndim - (rank - 1)
            if axis < 0 or array.shape[axis] != rows or rows == 1:
                return given
            part = f"{given} rows {places.tolist()}"
            self.constants[part] = np.take(array, places, axis=axis)
            return part
        return given if self.shapes[given][1] == 1 else self._picked(given, places)

    def _pick(self, name: str, places: Places) -> str:
        index = f"rows {places.tolist()}"
        self.constants[index] = places
        output = f"{name} rows {len(self.known)} picked"
        self.fresh.append(Node(op="Gather", inputs=(name, index), outputs=(output,), attributes={"axis": 1}))
        return output
