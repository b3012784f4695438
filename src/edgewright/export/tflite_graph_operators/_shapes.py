"""From one shape to another."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Site


def reshaped(site: Site, tensor: int, shape: tuple[int, ...]) -> int:
    """A tensor of `shape` in the shape of the node's output."""
    if tuple(shape) == site.shape:
        return tensor
    options = schema.ReshapeOptionsT()
    options.newShape = list(site.shape)
    return site.step("RESHAPE", (tensor, site.numbers(*site.shape)), options)
