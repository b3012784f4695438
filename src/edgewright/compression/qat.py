"""Quantisation-aware training: the network learns with the rounding of its integer form, then takes that form.

Fake quantisation as of Jacob et al., Quantization and Training of Neural Networks, CVPR 2018: the forward pass rounds,
and the gradient passes through the rounding as if it were not there (Bengio et al., 2013), but not beyond a range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise, values_of
from edgewright.compression.section import FIXED, KEEPS, MOVES, WEIGHTED, network_section
from edgewright.compression.weights import LEVELS, SIGMOID, Grid, Method, PerChannel, Range, grid, to_integers, watch
from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, Parameters
from edgewright.models.architecture import Architecture
from edgewright.models.base import Network
from edgewright.schema.graph import Graph, Node

Masks = Sequence[Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Weighting:
    """How one array of weights is rounded: `axis` of the channels that have a scale each, None for one scale."""

    axis: int | None
    levels: int


@dataclass(frozen=True)
class LayerRounding:
    """Where one layer rounds: its weights by name, the value between its halves, and what it gives."""

    weights: Mapping[str, Weighting]
    between: Grid | None
    after: Grid | None


@dataclass(frozen=True)
class Rounding:
    """Where a network rounds: its input, and every layer."""

    start: Grid
    layers: tuple[LayerRounding, ...]


class Shaped:
    """A network as a function of parameters and samples.

    Args:
        network: its layers.
        masks: for each layer arrays of zeros and ones by name of the parameter; all of a layer stay when it is empty.
        rounding: where values are rounded; nowhere when None.
    """

    def __init__(self, network: Architecture, masks: Masks | None = None, rounding: Rounding | None = None) -> None:
        self.parts = tuple(zip(network.layers, network.configs, strict=True))
        self.masks, self.rounding = masks, rounding

    @property
    def training(self) -> Callable[[list[Parameters], Any, Any], Any] | None:
        """The network in a training step: (parameters, x, random key) -> outputs; None where it is no other."""
        return self._run if any(layer.training for layer, _ in self.parts) else None

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """Raw outputs for samples."""
        return self._run(parameters, x, None)

    def _run(self, parameters: list[Parameters], x: Any, key: Any) -> Any:  # noqa: ANN401 - JAX arrays or tracers
        x = x if self.rounding is None else rounded(self.rounding.start, x)
        for number, (layer, config) in enumerate(self.parts):
            own = self._own(number, parameters[number])
            how = None if self.rounding is None else self.rounding.layers[number]
            if key is not None and layer.training is not None:
                x = layer.training(config, own, x, jax.random.fold_in(key, number))
            elif how is not None and how.between is not None and layer.between is not None:
                x = layer.between(config, own, x, _rounds(how.between))
            else:
                x = layer.apply(config, own, x)
            x = x if how is None or how.after is None else rounded(how.after, x)
        return x

    def _own(self, number: int, parameters: Parameters) -> Parameters:
        """Return parameters of a layer, masked and rounded."""
        own = dict(parameters)
        if self.masks is not None:
            own.update({name: own[name] * mask for name, mask in self.masks[number].items()})
        if self.rounding is not None:
            how = self.rounding.layers[number].weights
            own.update({name: rounded_weights(own[name], weighting) for name, weighting in how.items()})
        return own


def masked(parameters: Sequence[Parameters], masks: Masks) -> list[Parameters]:
    """Return parameters with the zeros of the masks."""
    return [
        {name: np.asarray(a * masks[i].get(name, np.float32(1.0)), np.float32) for name, a in own.items()}
        for i, own in enumerate(parameters)
    ]


def rounded(grid: Grid, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Return values on the grid; the gradient is 1 within its range and 0 beyond."""
    scale, zero = float(grid.scale), grid.zero
    inside = jnp.clip(x, (-128 - zero) * scale, (127 - zero) * scale)
    whole = jnp.round(inside / scale) * scale
    return inside + jax.lax.stop_gradient(whole - inside)


def rounded_weights(weights: Any, how: Weighting) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Return weights as symmetric integers times a scale from the largest of them; the gradient passes through."""
    axes = None if how.axis is None else tuple(a for a in range(weights.ndim) if a != how.axis)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(weights), axis=axes, keepdims=True))
    scale = jnp.maximum(largest / how.levels, 1e-30)
    return weights + jax.lax.stop_gradient(jnp.round(weights / scale) * scale - weights)


def _rounds(grid: Grid) -> Callable[[Any], Any]:
    return lambda y: rounded(grid, y)


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
