"""Names of what a pipeline computes on its way, under which every form of it shows the same values."""

from __future__ import annotations

import msgspec

from edgewright.graph.extract import float_network, value_names
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph, StageMark
from edgewright.schema.integer import IntegerNetwork

BYTES, OUTPUT = "boundary bytes", "raw output"
MODEL, BOUNDARY = "model", "boundary"
# Operators of a network that only move values: no stage of their own.
_MOVES = frozenset({"reshape", "transpose", "pad"})


def preprocessing(graph: Graph) -> dict[str, str]:
    """Stage -> the graph's value that ends it, up to the boundary."""
    source = graph.inputs[0].name
    made = {mark.stage: mark.value for mark in graph.stages if mark.stage != MODEL and mark.value != source}
    if graph.boundary and graph.boundary != source and graph.boundary not in made.values():
        made[BOUNDARY] = graph.boundary
    return made


def layers(network: IntegerNetwork) -> dict[str, int]:
    """Layer -> number of the value it gives; the last one is the raw output."""
    made: dict[str, int] = {}
    for operator in network.operators:
        if operator.kind in _MOVES:
            continue
        made[f"layer {len(made) + 1} {operator.kind.replace('_', ' ')}"] = operator.output
    if not made:
        return {OUTPUT: network.output}
    last = next(reversed(made))
    made.pop(last)
    return {**made, OUTPUT: network.output}


def network_values(graph: Graph, network: IntegerNetwork | None) -> dict[str, str]:
    """Stage of the network -> the graph's value that holds it; nothing for a graph without a network."""
    if network is None:
        return {}
    names = value_names(graph)
    made = {BYTES: _bytes_of(graph)} if network.rounding != "none" else {}
    return {**made, **{stage: names[number] for stage, number in layers(network).items() if number in names}}


def _bytes_of(graph: Graph) -> str:
    return next(n.outputs[0] for n in graph.nodes if n.op == "QuantizeLinear" and n.inputs[0] == graph.boundary)


def float_part(graph: Graph) -> IntegerNetwork | None:
    """Return the network of a float graph; None where it has none that can be read."""
    try:
        return float_network(graph)
    except InputError:
        return None


def marked_stages(graph: Graph, network: IntegerNetwork | None) -> tuple[Graph, dict[int, str]]:
    """Return the graph with all stages marked, and the names of the integer network's values by number.

    Args:
        graph: the whole pipeline.
        network: its integers; None for a float form.
    """
    stages = preprocessing(graph)
    inside: dict[int, str] = {}
    if network is None:
        stages |= network_values(graph, float_part(graph))
    else:
        inside = {number: stage for stage, number in layers(network).items()}
        inside.setdefault(network.input, BYTES)
    marks = tuple(StageMark(stage=stage, value=value) for stage, value in stages.items())
    return msgspec.structs.replace(graph, stages=marks), inside
