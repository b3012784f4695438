"""Quantisation-aware training: the network is trained with the rounding of its integer form, then converted to it.

Fake quantisation follows Jacob et al., Quantization and Training of Neural Networks, CVPR 2018: the forward pass
rounds. Within the range of a value, the gradient ignores the rounding (Bengio et al., 2013); outside, it is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise, values_of
from edgewright.compression.weights import (
    FIXED,
    KEEPS,
    LEVELS,
    MOVES,
    SIGMOID,
    WEIGHTED,
    Grid,
    Method,
    PerChannel,
    Range,
    grid,
    network_section,
    to_integers,
    watch,
)
from edgewright.core.records.network import Graph, Node
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, Parameters
from edgewright.models.architecture import Architecture
from edgewright.models.base import Network
from edgewright.training.backend import jax, jnp

Masks = Sequence[Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Weighting:
    """How one array of weights is rounded: `axis` is that of the channels with a scale each, None for one scale."""

    axis: int | None
    levels: int


@dataclass(frozen=True)
class LayerRounding:
    """Where one layer rounds: its weights by name, the value between its two operators, and its output."""

    weights: Mapping[str, Weighting]
    between: Grid | None
    after: Grid | None


@dataclass(frozen=True)
class Rounding:
    """Where a network rounds: its input and each layer."""

    start: Grid
    layers: tuple[LayerRounding, ...]


class Shaped:
    """A network as a function of parameters and samples.

    Args:
        network: its layers.
        masks: arrays of zeros and ones by parameter name, for each layer; an empty entry keeps all weights of a layer.
        rounding: where values are rounded; None for no rounding.
    """

    def __init__(self, network: Architecture, masks: Masks | None = None, rounding: Rounding | None = None) -> None:
        self.parts = tuple(zip(network.layers, network.configs, strict=True))
        self.masks, self.rounding = masks, rounding

    @property
    def training(self) -> Callable[[list[Parameters], Any, Any], Any] | None:
        """The network in training: (parameters, x, random key) -> outputs; None if it equals the plain network."""
        return self._run if any(layer.training for layer, _ in self.parts) else None

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """Return the raw outputs for samples."""
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
        """Return the masked and rounded parameters of a layer."""
        own = dict(parameters)
        if self.masks is not None:
            own.update({name: own[name] * mask for name, mask in self.masks[number].items()})
        if self.rounding is not None:
            how = self.rounding.layers[number].weights
            own.update({name: rounded_weights(own[name], weighting) for name, weighting in how.items()})
        return own


def masked(parameters: Sequence[Parameters], masks: Masks) -> list[Parameters]:
    """Return the parameters multiplied by the masks."""
    return [
        {name: np.asarray(a * masks[i].get(name, np.float32(1.0)), np.float32) for name, a in own.items()}
        for i, own in enumerate(parameters)
    ]


def rounded(grid: Grid, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Return values rounded to the grid; the gradient is 1 within the range of the grid and 0 outside."""
    scale, zero = float(grid.scale), grid.zero
    inside = jnp.clip(x, (-128 - zero) * scale, (127 - zero) * scale)
    whole = jnp.round(inside / scale) * scale
    return inside + jax.lax.stop_gradient(whole - inside)


def rounded_weights(weights: Any, how: Weighting) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Return weights as symmetric integers times a scale from the largest; the gradient ignores the rounding."""
    axes = None if how.axis is None else tuple(a for a in range(weights.ndim) if a != how.axis)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(weights), axis=axes, keepdims=True))
    scale = jnp.maximum(largest / how.levels, 1e-30)
    return weights + jax.lax.stop_gradient(jnp.round(weights / scale) * scale - weights)


def _rounds(grid: Grid) -> Callable[[Any], Any]:
    return lambda y: rounded(grid, y)


Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Ranges:
    """Ranges of the values of a network on its training samples.

    Attributes:
        graph: the network alone, from features to raw outputs.
        values: names of the values, in the order in which the quantiser needs them.
        ranges: range of each value.
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
    places = {node.outputs[0]: index + 1 for index, node in enumerate(graph.nodes)}
    cuts = [0, *(places.get("raw" if end == value else end, 0) for end in ends)]
    return graph, tuple(graph.nodes[max(cuts[: i + 1]) : cuts[i + 1]] for i in range(len(ends)))


def find_ranges(model: Network, features: Floats, *, method: Method = "minmax", percentile: float = 99.99) -> Ranges:
    """Return the range of every value that the quantiser rounds.

    Args:
        model: fitted network.
        features: training samples in the form that the network takes.
        method: see `quantise`.
        percentile: see `quantise`.

    Raises:
        InputError: as `watch` does, or when an operator has no integer form.
    """
    graph, _ = alone(model)
    values = values_of(network_section(graph))
    return Ranges(graph, values, watch(graph, values, features, method, percentile))


def rounding_of(model: Network, ranges: Ranges, *, per_channel: PerChannel = "auto", levels: int = LEVELS) -> Rounding:
    """Return where training must round to match the quantiser, which alone rounds the raw outputs.

    Args:
        model: fitted network.
        ranges: ranges of its values.
        per_channel: see `quantise`.
        levels: see `quantise`.
    """
    network = model.network()
    _, nodes = alone(model)
    grids = []
    for index, (layer, own) in enumerate(zip(network.layers, model.parameters_, strict=True)):
        last = index == len(nodes) - 1
        grids.append(
            LayerRounding(
                weights=_weights(layer, own, per_channel, levels),
                between=_between(layer, nodes[index], ranges.ranges),
                after=None if last else _after(nodes[index], ranges.ranges),
            )
        )
    return Rounding(grid(*ranges.ranges[ranges.values[0]]), tuple(grids))


def _weights(layer: Layer[Any], own: Parameters, per_channel: PerChannel, levels: int) -> dict[str, Weighting]:
    grids = {}
    for name, array in own.items():
        if np.ndim(array) < 2:
            continue
        # Weights without an axis for outputs have one filter a channel, with a scale each.
        axis, depthwise = layer.outputs.get(name, 0), name not in layer.outputs
        chosen = to_integers(array, None, axis, np.float32(1.0), per_channel, depthwise=depthwise, levels=levels)
        grids[name] = Weighting(axis if chosen.per_channel else None, levels)
    return grids


def _after(nodes: tuple[Node, ...], ranges: Mapping[str, Range]) -> Grid | None:
    """Return the grid of a layer's output: that of its last node that does not keep the grid of its input."""
    for node in reversed(nodes):
        if node.op not in (*MOVES, *KEEPS):
            return SIGMOID if node.op in FIXED else grid(*ranges[node.outputs[0]])
    return None


def _between(layer: Layer[Any], nodes: tuple[Node, ...], ranges: Mapping[str, Range]) -> Grid | None:
    """Return the grid of the value between a layer's two operators, which the last operator with weights reads."""
    if layer.between is None:
        return None
    second = [index for index, node in enumerate(nodes) if node.op in WEIGHTED][-1]
    return _after(nodes[:second], ranges)


def as_trained(
    graph: Graph,
    observed: Ranges,
    features: Floats,
    model: Network,
    *,
    per_channel: PerChannel = "auto",
    levels: int = LEVELS,
) -> Graph:
    """Return the int8 form with the ranges that training used.

    Args:
        graph: graph of the whole pipeline with the trained network.
        observed: ranges that training used.
        features: training samples in the form that the network takes; they give the range of the raw outputs.
        model: trained network.
        per_channel: value used in training.
        levels: value used in training.
    """
    raw, _ = alone(model)
    last = watch(raw, ("raw",), features, "minmax", 100.0)["raw"]
    ranges = [*(observed.ranges[name] for name in observed.values[:-1]), last]
    known = dict(zip(values_of(network_section(graph)), ranges, strict=True))
    return quantise(graph, features, per_channel=per_channel, levels=levels, known=known)
