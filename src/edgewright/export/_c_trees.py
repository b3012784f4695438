"""Tree ensembles said level by level, recognised so that C can walk each tree in one loop."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgewright.schema.graph import Graph, Node

OP = "WalkTrees"


@dataclass(frozen=True)
class _Level:
    """One level of all trees: where they are, where they go.

    Attributes:
        at: value with the node that each tree is at.
        source: features.
        tables: names of feature, threshold, yes, no and, where missing values have a side, missing.
    """

    at: str
    source: str
    tables: tuple[str, ...]


def with_walks(graph: Graph) -> Graph:
    """Return the graph with two or more levels that read the same tables as one node of so many levels."""
    made = {node.outputs[0]: node for node in graph.nodes}
    levels = {n.outputs[0]: level for n in graph.nodes if n.op == "Where" and (level := _level(n, made, graph))}
    depth: dict[str, tuple[str, int]] = {}
    for name, level in levels.items():
        before = levels.get(level.at)
        start, count = depth[level.at] if before and _alike(before, level) else (level.at, 0)
        depth[name] = (start, count + 1)
    nodes = []
    for node in graph.nodes:
        name = node.outputs[0]
        start, count = depth.get(name, ("", 0))
        if count > 1:
            inputs = (levels[name].source, start, *levels[name].tables)
            node = Node(op=OP, inputs=inputs, outputs=(name,), attributes={"depth": count})
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes))


def _alike(one: _Level, other: _Level) -> bool:
    return (one.source, one.tables) == (other.source, other.tables)


def _level(node: Node, made: dict[str, Node], graph: Graph) -> _Level | None:
    """Return the level that ends in a choice between two gathered numbers of nodes."""

    def gathered(name: str) -> tuple[str, str] | None:
        found = made.get(name)
        if found is None or found.op != "Gather" or found.inputs[0] not in graph.constants:
            return None
        return found.inputs[0], found.inputs[1]

    answer = made.get(node.inputs[0])
    sides = [gathered(name) for name in node.inputs[1:]]
    missing: tuple[str, str] | None = None
    if answer is not None and answer.op == "Or":
        both = made.get(answer.inputs[1])
        missing = gathered(both.inputs[1]) if both is not None and both.op == "And" else None
        empty = made.get(both.inputs[0]) if both is not None and missing is not None else None
        answer = made.get(answer.inputs[0])
        if empty is None or empty.op != "IsNaN" or answer is None or empty.inputs[0] != answer.inputs[0]:
            return None
    if answer is None or answer.op != "LessOrEqual" or None in sides:
        return None
    value, limit = made.get(answer.inputs[0]), gathered(answer.inputs[1])
    if value is None or value.op != "GatherElements" or value.attributes.get("axis", 0) != 1 or limit is None:
        return None
    feature = gathered(value.inputs[1])
    found = [feature, limit, *sides, *([missing] if missing else [])]
    places = {part[1] for part in found if part is not None}
    if None in found or len(places) != 1:
        return None
    return _Level(places.pop(), value.inputs[0], tuple(part[0] for part in found if part is not None))
