"""The network of a packaged model as an ONNX file of its own, without the float preprocessing before it."""

from __future__ import annotations

import msgspec

from edgewright.core.records.network import Graph, Value
from edgewright.graph.builder import without_mask
from edgewright.graph.onnx_writer import to_onnx


def network_file(graph: Graph, features: int) -> bytes:
    """ONNX from features to label: what a microcontroller keeps when it computes the features itself.

    Args:
        graph: of the whole pipeline, its boundary where the features are ready.
        features: how many arrive at the network.
    """
    # What is said of missing readings looks at the raw rows.
    graph, _ = without_mask(graph)
    needed = {value.name for value in graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs) and graph.boundary not in node.outputs:
            needed.update(node.inputs)
            kept.append(node)
    alone = msgspec.structs.replace(
        graph,
        inputs=(Value(name=graph.boundary, shape=(features,)),),
        nodes=tuple(kept[::-1]),
        constants={name: array for name, array in graph.constants.items() if name in needed},
        stages=(),
    )
    return to_onnx(alone)
