"""A graph made ready for .tflite: shapes of one sample, constants worked out, equal nodes once, the network cut out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from edgewright.core.executor import compile_graph
from edgewright.export._c_graph import network_end
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Graph, Node
from edgewright.schema.integer import IntegerNetwork


@dataclass(frozen=True)
class Plan:
    """What is written, in this order: `before`, the network if there is one, `after`.

    Attributes:
        before: float nodes that do not need the network, or all where there is none.
        after: float nodes that need it.
        end: value that the network's raw outputs are; empty without one.
        constants: by name, worked out ones included.
        sample: every computed value for a sample of zeros, the batch axis of 1 included.
        alias: names of values that are another value.
        missing: values in which a missing number may arrive, the input among them.
        limited: whether what arrives at the boundary is held between two limits.
    """

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    end: str
    constants: dict[str, Array]
    sample: dict[str, Array]
    alias: dict[str, str]
    missing: frozenset[str]
    limited: bool


def plan_whole(graph: Graph, network: IntegerNetwork | None) -> Plan:
    """Reads a graph.

    Args:
        graph: whole.
        network: that takes the place of the nodes from the boundary to the raw outputs; None for no such place.

    Raises:
        InputError: for an input whose lengths are not fixed or that is no float.
    """
    if len(graph.inputs) != 1:
        raise InputError("a graph with one input", f"{len(graph.inputs)}", f"graph {graph.name}")
    source = graph.inputs[0]
    if not source.shape or min(source.shape) < 1 or source.dtype not in ("float32", "float64"):
        told = f"{source.dtype} of shape {source.shape}"
        raise InputError("a float input whose lengths are fixed", told, f"graph {graph.name}")
    end = "" if network is None else network_end(graph)
    empty = np.zeros((1, *source.shape), source.dtype)
    sample = {source.name: empty, **compile_graph(graph, tuple(n for o in graph.nodes for n in o.outputs))(empty)}
    nodes, alias = _once(graph.nodes)
    worked_out = _worked_out(nodes, set(graph.constants))
    last = alias.get(graph.boundary, graph.boundary)
    wanted = {alias.get(v.name, v.name) for v in graph.outputs} | ({last} if end else set())
    kept = [n for n in _needed(nodes, wanted, end) if n.outputs[0] not in worked_out]
    reached = _reached(kept, end)
    boundary = [n for n in kept if last in n.outputs]
    return Plan(
        before=tuple(n for n in kept if n.outputs[0] not in reached),
        after=tuple(n for n in kept if n.outputs[0] in reached),
        end=end,
        constants={**graph.constants, **{name: sample[name] for name in worked_out}},
        sample=sample,
        alias=alias,
        missing=_missing(nodes, source.name),
        limited=any(n.op == "Clip" and all(n.inputs[1:]) and len(n.inputs) == 3 for n in boundary),
    )


def _once(nodes: Iterable[Node]) -> tuple[list[Node], dict[str, str]]:
    """The nodes without those that compute what an earlier one has; names of theirs and what they now are."""
    known: dict[object, str] = {}
    alias: dict[str, str] = {}
    kept = []
    for node in nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        key = (node.op, inputs, tuple(sorted(node.attributes.items())))
        if key in known:
            alias[node.outputs[0]] = known[key]
            continue
        known[key] = node.outputs[0]
        kept.append(msgspec.structs.replace(node, inputs=inputs))
    return kept, alias


def _worked_out(nodes: list[Node], known: set[str]) -> set[str]:
    """Values that do not depend on the input; lengths are fixed, so a shape is one of them."""
    found: set[str] = set()
    for node in nodes:
        if node.op == "Shape" or (node.inputs and all(not name or name in known for name in node.inputs)):
            known.update(node.outputs)
            found.update(node.outputs)
    return found


def _needed(nodes: list[Node], wanted: set[str], end: str) -> list[Node]:
    """Nodes that the wanted values depend on, those between the boundary and `end` left out."""
    kept, wanted = [], set(wanted)
    for node in reversed(nodes):
        if end in node.outputs or not wanted.intersection(node.outputs):
            continue
        wanted.update(node.inputs)
        kept.append(node)
    return kept[::-1]


def _reached(nodes: list[Node], end: str) -> set[str]:
    reached = {end} if end else set()
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
    return reached


def _missing(nodes: list[Node], source: str) -> frozenset[str]:
    """Values that a missing number of the input reaches: a Where that asks for it is where it ends."""
    found, asked = {source}, {}
    for node in nodes:
        if node.op == "IsNaN":
            asked[node.outputs[0]] = node.inputs[0]
        elif node.op == "Where" and asked.get(node.inputs[0]) == node.inputs[2]:
            found.update(node.outputs if node.inputs[1] in found else ())
        elif found.intersection(node.inputs):
            found.update(node.outputs)
    return frozenset(found)
