"""What nothing reads goes out of a graph."""

from __future__ import annotations

import msgspec

from edgewright.schema.graph import Graph, Node


def prune(graph: Graph) -> Graph:
    """Leaves out nodes and constants that no output and no stage end depends on."""
    needed = {v.name for v in graph.outputs} | {mark.value for mark in graph.stages} | {graph.boundary}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return msgspec.structs.replace(graph, nodes=tuple(kept[::-1]), constants=constants)
