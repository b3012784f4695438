"""Quantisation-aware training: the network learns with the rounding of its integer form, then takes that form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise, values_of
from edgewright.compression.masked_network import LayerRounding, Rounding, Weighting
from edgewright.compression.section import FIXED, KEEPS, MOVES, WEIGHTED, network_section
from edgewright.compression.weights import LEVELS, SIGMOID, Grid, Method, PerChannel, Range, grid, to_integers, watch
from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, Parameters
from edgewright.models.base import Network
from edgewright.schema.graph import Graph, Node

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Ranges:
    """Ranges of a network's values on its training samples.

    Attributes:
        graph: the network alone, from features to raw outputs.
        values: names in the order in which the quantiser asks.
        ranges: of each of them.
    """

    graph: Graph
    values: tuple[str, ...]
    ranges: Mapping[str, Range]


def alone(model: Network) -> tuple[Graph, tuple[tuple[Node, ...], ...]]:
    """Return the network without preprocessing, from features to raw outputs, and the nodes of each layer."""
    network = model.network()
    builder = Builder("network", tuple(int(n) for n in network.shapes[0]))
    builder.boundary(builder.input)
    value, ends = builder.input, []
    for layer, config, shape, own in zip(
        network.layers, network.configs, network.shapes, model.parameters_, strict=False
    ):
        value = layer.to_graph(config, own, builder, value, shape)
        ends.append(value)
    graph = builder.finish({"raw": (value, "float32", tuple(network.shapes[-1]))})
    places = {node.outputs[0]: place + 1 for place, node in enumerate(graph.nodes)}
    cuts = [0, *(places.get("raw" if end == value else end, 0) for end in ends)]
    return graph, tuple(graph.nodes[max(cuts[: i + 1]) : cuts[i + 1]] for i in range(len(ends)))


def find_ranges(model: Network, features: Floats, *, method: Method = "minmax", percentile: float = 99.99) -> Ranges:
    """Return ranges of every value the quantiser rounds.

    Args:
        model: fitted.
        features: training samples as the network takes them.
        method: see `quantise`.
        percentile: see `quantise`.

    Raises:
        InputError: as `watch` does, or when an operator has no integer form.
    """
    graph, _ = alone(model)
    values = values_of(network_section(graph))
    return Ranges(graph, values, watch(graph, values, features, method, percentile))


def rounding_of(model: Network, found: Ranges, *, per_channel: PerChannel = "auto", levels: int = LEVELS) -> Rounding:
    """Where the quantiser will round, as the training sees it; raw outputs are left to the quantiser.

    Args:
        model: fitted.
        found: its ranges.
        per_channel: see `quantise`.
        levels: see `quantise`.
    """
    network = model.network()
    _, nodes = alone(model)
    made = []
    for index, (layer, own) in enumerate(zip(network.layers, model.parameters_, strict=True)):
        last = index == len(nodes) - 1
        made.append(
            LayerRounding(
                weights=_weights(layer, own, per_channel, levels),
                between=_between(layer, nodes[index], found.ranges),
                after=None if last else _after(nodes[index], found.ranges),
            )
        )
    return Rounding(grid(*found.ranges[found.values[0]]), tuple(made))


def _weights(layer: Layer[Any], own: Parameters, per_channel: PerChannel, levels: int) -> dict[str, Weighting]:
    made = {}
    for name, array in own.items():
        if np.ndim(array) < 2:
            continue
        # What has no axis of its own for outputs has one filter a channel: they stay apart.
        axis, apart = layer.outputs.get(name, 0), name not in layer.outputs
        chosen = to_integers(array, None, axis, np.float32(1.0), per_channel, apart=apart, levels=levels)
        made[name] = Weighting(axis if chosen.per_channel else None, levels)
    return made


def _after(nodes: tuple[Node, ...], ranges: Mapping[str, Range]) -> Grid | None:
    """Return the grid of what a layer gives: that of its last node that does not keep the one before."""
    for node in reversed(nodes):
        if node.op not in (*MOVES, *KEEPS):
            return SIGMOID if node.op in FIXED else grid(*ranges[node.outputs[0]])
    return None


def _between(layer: Layer[Any], nodes: tuple[Node, ...], ranges: Mapping[str, Range]) -> Grid | None:
    """Return the grid of the value between a layer's two halves: what its last operator with weights reads."""
    if layer.between is None:
        return None
    second = [place for place, node in enumerate(nodes) if node.op in WEIGHTED][-1]
    return _after(nodes[:second], ranges)


def as_trained(
    graph: Graph,
    found: Ranges,
    features: Floats,
    model: Network,
    *,
    per_channel: PerChannel = "auto",
    levels: int = LEVELS,
) -> Graph:
    """Return the int8 form over the ranges the training used.

    Args:
        graph: the whole pipeline with the trained network in it.
        found: ranges the training rounded over.
        features: training samples as the network takes them; the raw outputs' range is found on them.
        model: the trained network.
        per_channel: as in training.
        levels: as in training.
    """
    raw, _ = alone(model)
    last = watch(raw, ("raw",), features, "minmax", 100.0)["raw"]
    ranges = [*(found.ranges[name] for name in found.values[:-1]), last]
    known = dict(zip(values_of(network_section(graph)), ranges, strict=True))
    return quantise(graph, features, per_channel=per_channel, levels=levels, known=known)
