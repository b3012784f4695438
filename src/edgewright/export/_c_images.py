"""How generated code takes an image: row after row, the channels of a pixel side by side, as cameras give it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork, IntegerOperator

_LAST = (1, 2, 0)
# Operators that leave the axes where they are.
_ALIKE = frozenset(
    {"Add", "Sub", "Mul", "Div", "Clip", "Relu", "Cast", "Identity", "QuantizeLinear", "DequantizeLinear"}
)
_CHANNELS_FIRST = frozenset({"Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"})


def image_channels(graph: Graph) -> Literal["first", "last", ""]:
    """Where the channels of a graph's input lie; nothing where it is no image or nothing in the graph says it."""
    if len(graph.inputs[0].shape) != 3:
        return ""
    found: set[Literal["first", "last", ""]] = set()
    # Axes of the input in the order in which a value has them, the batch's included.
    order: dict[str, tuple[int, ...]] = {graph.inputs[0].name: (0, 1, 2, 3)}
    for node in graph.nodes:
        axes = next((order[name] for name in node.inputs if name in order), None)
        if axes is None:
            continue
        if node.op in _CHANNELS_FIRST and node.inputs[0] in order:
            found.add("first" if axes == (0, 1, 2, 3) else "last" if axes == (0, 3, 1, 2) else "")
        elif node.op == "Transpose":
            perm = node.attributes.get("perm", (3, 2, 1, 0))
            order[node.outputs[0]] = tuple(axes[int(place)] for place in perm)  # type: ignore[union-attr]
        elif node.op in _ALIKE:
            order[node.outputs[0]] = axes
    return found.pop() if len(found) == 1 else ""


def turning(network: IntegerNetwork) -> IntegerOperator | None:
    """The first operator of a network, where it does nothing but bring the channels of an image last."""
    first = network.operators[0] if network.operators else None
    image = len(network.values[network.input].shape) == 3
    turns = first is not None and first.kind == "transpose" and tuple(first.numbers["order"]) == _LAST
    return first if first is not None and image and turns and first.inputs[0] == network.input else None


def pixels(samples: NDArray[Any]) -> NDArray[Any]:
    """Images (n, channels, height, width) as generated code takes them, (n, height, width, channels)."""
    return np.ascontiguousarray(np.moveaxis(samples, 1, -1))
