"""Which layer of a network, or stage before it, a node belongs to: tables in C are named after them."""

from __future__ import annotations

import re

from edgewright.graph.extract import float_network, value_names
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork

# Operators that only move bytes are no layers, as in the stages of a proof.
_MOVES = frozenset({"reshape", "transpose", "pad"})
_LONGEST = 24


def layer_names(network: IntegerNetwork) -> dict[int, str]:
    """Number of the value that a layer gives -> its name, as 'dense_1', counted as a proof counts layers."""
    layers = [operator for operator in network.operators if operator.kind not in _MOVES]
    return {operator.output: f"{operator.kind}_{place}" for place, operator in enumerate(layers, 1)}


def node_names(graph: Graph, *, network: bool) -> dict[str, str]:
    """Output of a node -> the stage or layer that it works for, in letters of C; '' where none is known.

    Args:
        graph: a pipeline.
        network: whether its network is float, too.
    """
    marks = {mark.value: _word(mark.stage) for mark in graph.stages}
    if network:
        try:
            values, layers = value_names(graph), layer_names(float_network(graph))
            marks |= {values[number]: name for number, name in layers.items() if number in values}
        except EdgewrightError:
            # A graph without a network has stages at most.
            marks = dict(marks)
    made, name = {}, ""
    for node in reversed(graph.nodes):
        for output in node.outputs:
            name = marks.get(output, name)
            made[output] = name
    return made


def _word(stage: str) -> str:
    return re.sub(r"\W+", "_", stage, flags=re.ASCII).strip("_")[:_LONGEST] or "stage"
