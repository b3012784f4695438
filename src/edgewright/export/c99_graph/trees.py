"""Tree ensembles said level by level, recognised so that C can walk each tree in one loop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Graph, Node

OP, SUMS = "WalkTrees", "SumTrees"


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
    """Return the graph with levels that read the same tables as one node.

    Two or more levels become a walk from the nodes that they begin at to the numbers of the leaves. Where all that is
    wanted of the leaves is the sum of their answers, the walk begins at the roots and gives the sums.
    """
    producer = {node.outputs[0]: node for node in graph.nodes}
    levels = {n.outputs[0]: level for n in graph.nodes if n.op == "Where" and (level := _level(n, producer, graph))}
    depth: dict[str, tuple[str, int]] = {}
    for name, level in levels.items():
        before = levels.get(level.at)
        start, count = depth[level.at] if before and _alike(before, level) else (level.at, 0)
        depth[name] = (start, count + 1)
    nodes, constants = [], dict(graph.constants)
    uses: Counter[str] = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update([value.name for value in graph.outputs] + [mark.value for mark in graph.stages])
    for node in graph.nodes:
        name = node.outputs[0]
        start, count = depth.get(name, ("", 0))
        if count > 1:
            inputs = (levels[name].source, start, *levels[name].tables)
            node = Node(op=OP, inputs=inputs, outputs=(name,), attributes={"depth": count})
        elif (leaves := _summed(node, producer, graph, uses)) in depth:
            start, count = depth[leaves]
            roots = _roots(start, levels[leaves], producer, graph)
            if roots is not None:
                constants[f"{name} roots"] = roots
                answers = producer[
                    producer[node.inputs[0]].inputs[0] if _is_reshaped(node, producer) else node.inputs[0]
                ].inputs[0]
                inputs = (levels[leaves].source, f"{name} roots", *levels[leaves].tables, answers)
                node = Node(op=SUMS, inputs=inputs, outputs=(name,), attributes={"depth": count + 1})
        nodes.append(node)
    return msgspec.structs.replace(graph, nodes=tuple(nodes), constants=constants)


def _is_reshaped(node: Node, producer: dict[str, Node]) -> bool:
    before = producer.get(node.inputs[0])
    return before is not None and before.op == "Reshape"


def _summed(node: Node, producer: dict[str, Node], graph: Graph, uses: Counter[str]) -> str:
    """Return the numbers of leaves of which a node sums the answers over the trees, '' for another node."""
    axes = graph.constants.get(node.inputs[1]) if node.op == "ReduceSum" and len(node.inputs) > 1 else None
    if axes is None or axes.tolist() != [1] or node.attributes.get("keepdims", 1):
        return ""
    answers, chain = producer.get(node.inputs[0]), [node.inputs[0]]
    wanted = 2
    if answers is not None and answers.op == "Reshape":
        shape = graph.constants.get(answers.inputs[1])
        wanted, chain = 1, [*chain, answers.inputs[0]]
        if shape is None or len(shape) != 3 or shape[0] != -1:
            return ""
        answers = producer.get(answers.inputs[0])
    if answers is None or answers.op != "Gather" or answers.attributes.get("axis", 0) != 0:
        return ""
    table = graph.constants.get(answers.inputs[0])
    alone = all(uses[name] == 1 for name in (*chain, answers.inputs[1]))
    return answers.inputs[1] if alone and table is not None and table.ndim == wanted else ""


def _roots(start: str, level: _Level, producer: dict[str, Node], graph: Graph) -> NDArray[np.int32] | None:
    """Return the roots of the trees from their first comparisons, which a graph says without a walk."""
    first = producer.get(start)
    if first is None or first.op != "Where" or any(name not in graph.constants for name in first.inputs[1:]):
        return None
    answer = producer.get(first.inputs[0])
    empty: str | None = None
    if answer is not None and answer.op == "Or":
        both = producer.get(answer.inputs[1])
        empty = both.inputs[1] if both is not None and both.op == "And" else None
        answer = producer.get(answer.inputs[0])
    value = producer.get(answer.inputs[0]) if answer is not None and answer.op == "LessOrEqual" else None
    if answer is None or value is None or value.op != "Gather" or value.attributes.get("axis", 0) != 1:
        return None
    names = (value.inputs[1], answer.inputs[1], *first.inputs[1:], *((empty,) if empty is not None else ()))
    if (
        value.inputs[0] != level.source
        or len(names) != len(level.tables)
        or any(n not in graph.constants for n in names)
    ):
        return None
    tables = [graph.constants[name] for name in level.tables]
    parent = {sides: number for number, sides in enumerate(zip(tables[2].tolist(), tables[3].tolist(), strict=True))}
    sides = (graph.constants[name].ravel().tolist() for name in first.inputs[1:])
    roots = np.array([parent.get(pair, -1) for pair in zip(*sides, strict=True)], np.int32)
    whole = all(
        np.array_equal(table[roots], graph.constants[n].ravel()) for table, n in zip(tables, names, strict=True)
    )
    return roots if whole and (roots >= 0).all() else None


def _alike(level: _Level, other: _Level) -> bool:
    return (level.source, level.tables) == (other.source, other.tables)


def _level(node: Node, producer: dict[str, Node], graph: Graph) -> _Level | None:
    """Return the level that ends in a choice between two gathered numbers of nodes."""

    def gathered(name: str) -> tuple[str, str] | None:
        gather = producer.get(name)
        if gather is None or gather.op != "Gather" or gather.inputs[0] not in graph.constants:
            return None
        return gather.inputs[0], gather.inputs[1]

    answer = producer.get(node.inputs[0])
    sides = [gathered(name) for name in node.inputs[1:]]
    missing: tuple[str, str] | None = None
    if answer is not None and answer.op == "Or":
        both = producer.get(answer.inputs[1])
        missing = gathered(both.inputs[1]) if both is not None and both.op == "And" else None
        empty = producer.get(both.inputs[0]) if both is not None and missing is not None else None
        answer = producer.get(answer.inputs[0])
        if empty is None or empty.op != "IsNaN" or answer is None or empty.inputs[0] != answer.inputs[0]:
            return None
    if answer is None or answer.op != "LessOrEqual" or None in sides:
        return None
    value, limit = producer.get(answer.inputs[0]), gathered(answer.inputs[1])
    if value is None or value.op != "GatherElements" or value.attributes.get("axis", 0) != 1 or limit is None:
        return None
    feature = gathered(value.inputs[1])
    parts = [feature, limit, *sides, *([missing] if missing else [])]
    places = {part[1] for part in parts if part is not None}
    if None in parts or len(places) != 1:
        return None
    return _Level(places.pop(), value.inputs[0], tuple(part[0] for part in parts if part is not None))
