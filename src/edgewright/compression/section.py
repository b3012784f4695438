"""Selection of the part of a graph that becomes integers: from the boundary to the raw outputs of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewright.core.integer.reader import foreign_operators
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node

if TYPE_CHECKING:
    # This module imports JAX, which quantisation does not need.
    from edgewright.models.architecture import Architecture

# Operators with a state; docs/adr/0073-recurrent-layers.md and docs/adr/0078-int8-gru.md define their integers.
RECURRENT = ("LSTM", "GRU")
WEIGHTED = ("Gemm", "Conv", *RECURRENT)
# How the scale of the output is set, by operator; an operator that is not listed is refused by name.
MOVES = (
    "Flatten",
    "Reshape",
    "Slice",
    "MaxPool",
    "Pad",
)  # moves or picks numbers: done on integers, the scale stays
KEEPS = ("AveragePool", "GlobalMaxPool")  # the output lies within the input: the scale stays
RANGES = ("Relu", "Clip", "GlobalAveragePool", "Add")  # a range of its own
FUSING = ("Gemm", "Conv", "Add")  # a ReLU after them is rounded once, with them
ENDS = ("Relu", "Clip")  # taken in by the operator before it: one rounding for both
FIXED = ("Sigmoid",)  # the range is known: 0 to 1
NETWORK_FOR_INT8 = "a network has one: run again with --set model.kind=network"
"""What a person can do whose model has no int8 form."""
KNOWN = (*WEIGHTED, *MOVES, *KEEPS, *RANGES, *FIXED)


@dataclass(frozen=True)
class Section:
    """A network within a graph.

    Attributes:
        before, inside, after: nodes before, in and after the network, in their order.
        start: name of the value that enters the network.
        end: name of the raw outputs.
    """

    before: tuple[Node, ...]
    inside: tuple[Node, ...]
    after: tuple[Node, ...]
    start: str
    end: str


def network_section(graph: Graph) -> Section:
    """Return everything after `graph.boundary` up to the last operator with weights; softmax and labels stay float.

    Raises:
        InputError: when there is no boundary or network, or an operator in it has no integer form.
    """
    reached = {graph.boundary} if graph.boundary else set()
    places: list[int] = []
    for index, node in enumerate(graph.nodes):
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
            places.append(index)
    weighted = [position for position in places if graph.nodes[position].op in WEIGHTED]
    if not weighted:
        raise InputError("a graph with a network after its boundary", _without_network(graph), f"graph {graph.name}")
    last = graph.nodes[weighted[-1]]
    needed = set(last.outputs)
    chosen: set[int] = set()
    for index in reversed(places):
        node = graph.nodes[index]
        if needed.intersection(node.outputs):
            chosen.add(index)
            needed.update(node.inputs)
    for index in chosen:
        if graph.nodes[index].op not in KNOWN:
            raise InputError(
                f"operators with an integer form ({', '.join(sorted(KNOWN))})",
                f"the operator {graph.nodes[index].op}",
                f"graph {graph.name}",
            )
    return Section(
        before=tuple(n for p, n in enumerate(graph.nodes) if p not in chosen and p < min(chosen)),
        inside=tuple(graph.nodes[p] for p in sorted(chosen)),
        after=tuple(n for p, n in enumerate(graph.nodes) if p not in chosen and p > min(chosen)),
        start=graph.boundary,
        end=last.outputs[0],
    )


def missing_integer_form(graph: Graph) -> str:
    """Return why a graph has no int8 form; empty if it has one."""
    try:
        network_section(graph)
    except InputError as error:
        return error.got
    return ""


def float_layers(network: Architecture) -> list[str]:
    """Return the names of layers that say they have no integer form: a network with one of them stays float."""
    layers = zip(network.names, network.layers, network.configs, strict=True)
    return [name for name, layer, config in layers if not layer.integer(config)]


def _without_network(graph: Graph) -> str:
    """Return why a graph has no network: it has no weights, or some of its operators have no integer form."""
    places = [index for index, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    if not places:
        return f"no operator with weights ({', '.join(WEIGHTED)}): trees and formulas stay as they are"
    foreign = foreign_operators(graph)
    return f"operators without an integer form among its layers: {foreign}" if foreign else "none"
