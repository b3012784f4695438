"""Which part of a graph becomes integers: from the boundary to the raw outputs of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, Node

if TYPE_CHECKING:
    # It brings JAX, which quantising does without.
    from edgewright.models.architecture import Architecture

# With a state: the integers of docs/adr/0073-recurrent-layers.md and docs/adr/0078-int8-gru.md.
RECURRENT = ("LSTM", "GRU")
WEIGHTED = ("Gemm", "Conv", *RECURRENT)
# How the output's scale comes about, by operator; what is not here is refused by name.
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
KNOWN = (*WEIGHTED, *MOVES, *KEEPS, *RANGES, *FIXED)


@dataclass(frozen=True)
class Section:
    """A network within a graph.

    Attributes:
        before, inside, after: nodes in their order.
        start: value at which it begins.
        end: value of the raw outputs.
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
    weighted = [place for place in places if graph.nodes[place].op in WEIGHTED]
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
    """Why a graph has no int8 form; empty where it has one."""
    try:
        network_section(graph)
    except InputError as error:
        return error.got
    return ""


def refuse_float_layers(network: Architecture) -> None:
    """Refuse a network with a layer that has no integer form, before anybody trains it.

    Raises:
        InputError: naming the first such layer.
    """
    for name, layer, config in zip(network.names, network.layers, network.configs, strict=True):
        if not layer.integer(config):
            raise InputError(
                "layers that have an integer form",
                f"the layer {name}, which has none",
                "model.layers",
                "Leave the layer out, or make a float package: --set compression.int8=false",
            )


def _without_network(graph: Graph) -> str:
    """Why a graph has no network after a boundary: no weights at all, or operators among them without integer form."""
    places = [place for place, node in enumerate(graph.nodes) if node.op in WEIGHTED]
    if not places:
        return f"no operator with weights ({', '.join(WEIGHTED)}): trees and formulas stay as they are"
    foreign = dict.fromkeys(n.op for n in graph.nodes[places[0] : places[-1]] if n.op not in KNOWN)
    return f"operators without an integer form among its layers: {', '.join(foreign)}" if foreign else "none"
