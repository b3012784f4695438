"""Nodes that treat every channel of a window alike: groups that can run channel by channel in the memory of one.

A group is a set of nodes that a loop over the rows of axis 1 can work out together. Groups of the same form (the same
features of other channels) share one loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.network import Array, Graph, Node
from edgewright.export.c99_graph.recognition import SPECTRUM
from edgewright.graph.builder import prune

Shapes = Mapping[str, tuple[int, ...]]

VALUE_BY_VALUE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Exp", "Log", "Max", "Min", "Relu", "Clip", "Where", "Cast"}
    | {"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Not", "Sigmoid", "Tanh", "Pow"}
)  # fmt: skip
_SUMS = frozenset(
    {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"}
)  # fmt: skip
# Others that take an expression as they take memory.
_TAKES = frozenset({"Concat", "Slice", "Gather", "Reshape", "MatMul"})


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes of one loop.

    Attributes:
        rows: how often it turns.
        nodes: in their order.
        given: outputs that other nodes read.
    """

    rows: int
    nodes: tuple[Node, ...]
    given: tuple[str, ...]

    @property
    def needs(self) -> set[str]:
        """Names of what the group reads of others."""
        return {name for node in self.nodes for name in node.inputs} - self.outputs

    @property
    def outputs(self) -> frozenset[str]:
        """Names of all values of the group."""
        return frozenset(name for node in self.nodes for name in node.outputs)


@dataclass
class Rows:
    """Finds the groups of a list of nodes.

    Args:
        nodes: in an order in which they can run.
        constants: by name.
        shapes: of every value, batch axis of 1 included.
        outside: values that something else reads, too: outputs, stages that can be seen.
    """

    nodes: Sequence[Node]
    constants: Mapping[str, Array]
    shapes: Shapes
    outside: frozenset[str]
    readers: dict[str, list[Node]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                self.readers.setdefault(name, []).append(node)

    def groups(self) -> list[Group]:
        """Group worth a loop of their own."""
        members = self._members()
        parts = self._parts(members)
        worthwhile = []
        for nodes in parts:
            computed = {node.outputs[0] for node in nodes}
            given = [
                n for n in computed if n in self.outside or any(r.outputs[0] not in computed for r in self._reads(n))
            ]
            group = Group(self.shapes[nodes[0].outputs[0]][1], _spectra_last(nodes), tuple(sorted(given)))
            if self._pays(group):
                worthwhile.append(group)
        return worthwhile

    def _reads(self, name: str) -> list[Node]:
        return self.readers.get(name, [])

    def _pays(self, group: Group) -> bool:
        """Return whether a long value of the group would take memory for all channels that only the group reads."""
        inner = [node for node in group.nodes if node.outputs[0] not in group.given]
        return any(
            self.long(node.outputs[0]) and (len(self._reads(node.outputs[0])) > 1 or node.op not in VALUE_BY_VALUE)
            for node in inner
        )

    def repeats(self, name: str) -> bool:
        """Return whether a value is long, and all that read it may work it out again."""
        readers = self._reads(name)
        return self.long(name) and all(n.op in VALUE_BY_VALUE | _SUMS | _TAKES for n in readers)

    def long(self, name: str) -> bool:
        """Return whether a value has many numbers a row."""
        shape = self.shapes[name]
        return len(shape) > 2 and int(np.prod(shape[2:])) >= LONG

    def _members(self) -> set[str]:
        """Values that a loop may work out: long ones that value-by-value operators give to others are left out."""
        members = {node.outputs[0] for node in self.nodes if self._fits(node)}
        by = {node.outputs[0]: node for node in self.nodes}
        changed = True
        while changed:
            changed = False
            for name in sorted(members):
                if not self.long(name) or by[name].op not in VALUE_BY_VALUE:
                    continue
                others = [r for r in self._reads(name) if r.outputs[0] not in members or self._picks(r)]
                if others or name in self.outside:
                    members.discard(name)
                    changed = True
        return members

    def _picks(self, node: Node) -> bool:
        return channels_of(node, dict(self.constants), dict(self.shapes)) is not None

    def _parts(self, members: set[str]) -> list[list[Node]]:
        """Return members that depend on each other without a way round through other nodes, in their order."""
        levels = self._levels(members)
        parent: dict[str, str] = {}

        def root(name: str) -> str:
            while parent[name] != name:
                name = parent[name]
            return name

        for node in self.nodes:
            name = node.outputs[0]
            if name not in members:
                continue
            parent[name] = name
            for given in node.inputs:
                if self._together(given, node, members) and levels[given] == levels[name]:
                    parent[root(given)] = root(name)
        parts: dict[str, list[Node]] = {}
        for node in self.nodes:
            if node.outputs[0] in members:
                parts.setdefault(root(node.outputs[0]), []).append(node)
        return list(parts.values())

    def _levels(self, members: set[str]) -> dict[str, int]:
        """How many other nodes and loops lie before a value at most; as late as its readers allow."""
        levels: dict[str, int] = {}
        for node in self.nodes:
            level = 0
            for given in node.inputs:
                if given in levels:
                    separate = given in members and not self._together(given, node, members)
                    level = max(level, levels[given] + separate)
            levels.update(dict.fromkeys(node.outputs, level))
        for node in reversed(self.nodes):
            name, readers = node.outputs[0], self._reads(node.outputs[0])
            if name in members and readers and all(self._together(name, reader, members) for reader in readers):
                levels[name] = min(levels[reader.outputs[0]] for reader in readers)
        return levels

    def _together(self, given: str, node: Node, members: set[str]) -> bool:
        """Return whether a row of the node needs the same row of the input, and one loop may hold both."""
        name = node.outputs[0]
        both = given in members and name in members
        return both and not self._picks(node) and self._rows(given) == self._rows(name)

    def _rows(self, name: str) -> int:
        return self.shapes[name][1]

    def _fits(self, node: Node) -> bool:
        """Return whether every row of the output needs one row of each input at most."""
        shape = self.shapes.get(node.outputs[0], ())
        if len(node.outputs) != 1 or len(shape) < 2 or shape[0] != 1 or shape[1] < 2:
            return False
        given = [name for name in node.inputs if name and name not in self.constants]
        if not given or any(name not in self.shapes or len(self.shapes[name]) < 2 for name in given):
            return False
        first = self.shapes[given[0]]
        if node.op in VALUE_BY_VALUE:
            return all(len(self.shapes[n]) == len(shape) and self.shapes[n][1] in (1, shape[1]) for n in given)
        if len(given) != 1 or (first[1] != shape[1] and not self._picks(node)):
            return False
        if self._picks(node):
            return True
        if node.op in _SUMS:
            axes = self._axes(node, len(first))
            return bool(axes) and min(axes) > 1
        if node.op == "Slice":
            whole = [self.constants.get(name) for name in node.inputs[1:]]
            along = whole[2] if len(whole) > 2 else None
            return along is not None and all(int(a) % len(first) > 1 for a in np.ravel(along))
        if node.op in ("Reshape", "Unsqueeze", "Squeeze"):
            return first[:2] == shape[:2]
        if node.op == "MatMul":
            weights = self.constants.get(node.inputs[1])
            return weights is not None and weights.ndim == 2 and len(first) == 3
        return node.op == SPECTRUM and len(first) == 3

    def _axes(self, node: Node, rank: int) -> list[int]:
        axes = node.attributes.get("axes")
        if len(node.inputs) > 1 and node.inputs[1] in self.constants:
            axes = tuple(int(a) for a in np.ravel(self.constants[node.inputs[1]]))
        return [int(a) % rank for a in axes] if isinstance(axes, tuple) else []

    def constant_rows(self, node: Node, index: int) -> bool:
        """Return whether a constant input has numbers of its own for every row of the output."""
        array, rank = self.constants[node.inputs[index]], len(self.shapes[node.outputs[0]])
        if node.op not in VALUE_BY_VALUE:
            return False
        axis = array.ndim - (rank - 1)
        return axis >= 0 and array.shape[axis] == self.shapes[node.outputs[0]][1]


def _spectra_last(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return nodes in an order in which others have read what a spectrum is made of: its memory is then free."""
    after: set[str] = set()
    for node in nodes:
        if node.op == SPECTRUM or not after.isdisjoint(node.inputs):
            after.update(node.outputs)
    return tuple(sorted(nodes, key=lambda node: not after.isdisjoint(node.outputs)))


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
