"""Which kernels the integers of a graph equal: a mark that travels in its metadata."""

from __future__ import annotations

import msgspec

from edgewright.schema.graph import Graph
from edgewright.schema.integer import Rounding

KEY = "edgewright.rounding"


def rounding_of(graph: Graph) -> Rounding:
    """Return what the graph says of itself; LiteRT's reference kernels where it says nothing."""
    return "tflm" if graph.metadata.get(KEY) == "tflm" else "litert"


def marked(graph: Graph, rounding: Rounding) -> Graph:
    """Return the graph with its rounding written down."""
    return msgspec.structs.replace(graph, metadata={**graph.metadata, KEY: rounding})
