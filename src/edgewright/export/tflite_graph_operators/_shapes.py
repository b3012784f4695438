"""From one shape to another."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from edgewright.export.tflite_graph_operators import Site


def reshaped(site: Site, tensor: int, shape: tuple[int, ...], to: tuple[int, ...] | None = None) -> int:
    """A tensor of `shape` in another one, that of the node's output where it is left out."""
    wanted = site.shape if to is None else to
    if tuple(shape) == wanted:
        return tensor
    options = schema.ReshapeOptionsT()
    options.newShape = list(wanted)
    return site.step("RESHAPE", (tensor, site.numbers(*wanted)), options, shape=wanted)
