"""Labels that are the place of the network's largest byte: an ARG_MAX of integers in place of one of probabilities.

Vela refuses a whole file for one ARG_MAX of floats. Before DEQUANTIZE the same label is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewright.core.operators._attributes import integer
from edgewright.schema.graph import Array, Node
from edgewright.schema.integer import IntegerNetwork

# Two bytes a step apart must give two probabilities that float32 tells apart: exp(-1e-4) is 800 of its steps below 1.
_SMALLEST_STEP = 1e-4


def integer_labels(
    nodes: Sequence[Node], end: str, constants: Mapping[str, Array], network: IntegerNetwork
) -> frozenset[str]:
    """Return the values that are an ArgMax of what grows with the network's bytes.

    Args:
        nodes: that come after the network.
        end: value that the network's raw outputs are.
        constants: by name.
        network: a float one, or one that gives no row of values, has no such labels.
    """
    last = network.values[network.output]
    if not last.scale or len(last.shape) != 1:
        return frozenset()
    steps, ordered, masked = {end: float(last.scale)}, set[str](), set[str]()
    found: dict[str, str] = {}
    for node in nodes:
        source, name = (node.inputs or ("",))[0], node.outputs[0]
        if node.op in ("Mul", "Div") and source in steps:
            by = constants.get(node.inputs[1])
            factor = 0.0 if by is None or by.size != 1 else float(by.reshape(-1)[0])
            if 0 < factor < float("inf"):
                steps[name] = steps[source] * factor if node.op == "Mul" else steps[source] / factor
        elif node.op == "Softmax" and steps.get(source, 0.0) >= _SMALLEST_STEP and integer(node, "axis", -1) in (1, -1):
            ordered.add(name)
        elif node.op == "Where" and node.inputs[1] in ordered and node.inputs[2] in constants:
            masked.add(name)
        elif node.op == "ArgMax" and source in {*steps, *ordered, *masked} and _is_plain(node):
            found[name] = source
    return frozenset(name for name, source in found.items() if source not in masked or _replaced(nodes, name, source))


def _is_plain(node: Node) -> bool:
    """Return whether the first largest value of a row is asked for, as a number."""
    last, keeps = integer(node, "select_last_index", 0), integer(node, "keepdims", 1)
    return integer(node, "axis", 0) in (1, -1) and not keeps and not last


def _replaced(nodes: Sequence[Node], label: str, source: str) -> bool:
    """Return whether a label only lives on where its probabilities were not masked: see `graph.mask`."""
    made = {name: node for node in nodes for name in node.outputs}
    for node in nodes:
        if label not in node.inputs:
            continue
        sure = made.get(node.inputs[0])
        top = None if sure is None or sure.op != "Greater" else made.get(sure.inputs[0])
        if node.op != "Where" or node.inputs[1] != label or top is None or top.inputs[0] != source:
            return False
    return label in {name for node in nodes for name in node.inputs}
