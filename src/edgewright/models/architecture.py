"""From the tables of `model.layers` to a network: shapes, parameters, its function in JAX, its graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec
import numpy as np

from edgewright.core.catalogue import find
from edgewright.core.records.trace import LayerRecord
from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.models import nn
from edgewright.models.nn import read_layer
from edgewright.models.nn.conv2d import Conv2dConfig
from edgewright.models.nn.dense import DenseConfig
from edgewright.training.backend import jax, jnp, lax

Head = Literal["dense", "conv2d"]


@dataclass(frozen=True)
class Architecture:
    """Layers with their configurations, the output layer last.

    Attributes:
        kinds: file names of the layers.
        configs: their configurations.
        shapes: what arrives at each layer, and after them what leaves the last.
    """

    kinds: tuple[str, ...]
    configs: tuple[LayerConfig, ...]
    shapes: tuple[Shape, ...]

    @property
    def layers(self) -> tuple[Layer[Any], ...]:
        """The layers' objects."""
        return tuple(find(nn.__name__, kind, "LAYER", "layer") for kind in self.kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each layer: 'dense 1', 'dense 2', ..., 'output'."""
        counts, seen = Counter(self.kinds[:-1]), Counter[str]()
        names = []
        for kind in self.kinds[:-1]:
            seen[kind] += 1
            names.append(f"{kind} {seen[kind]}" if counts[kind] > 1 else kind)
        return (*names, "output")

    def initialise(self, rng: np.random.Generator) -> list[Parameters]:
        """Return parameters of every layer, empty for layers without any."""
        return [
            layer.initialise(config, shape, rng)
            for layer, config, shape in zip(self.layers, self.configs, self.shapes, strict=False)
        ]

    def frozen(self, parameters: Sequence[Parameters]) -> int:
        """Return how many layers, from the first on, training leaves as they are; 0 where none of them has weights."""
        count = 0
        for layer, config, own in zip(self.layers, self.configs, parameters, strict=True):
            fixed = frozenset() if layer.frozen is None else layer.frozen(config, own)
            if fixed != set(own) or layer.training is not None:
                break
            count += 1
        return count if any(parameters[:count]) else 0

    def divided(self, count: int) -> tuple[Architecture, Architecture]:
        """Return the first layers, and the rest."""
        first = Architecture(self.kinds[:count], self.configs[:count], self.shapes[: count + 1])
        return first, Architecture(self.kinds[count:], self.configs[count:], self.shapes[count:])

    def to_graph(self, parameters: Sequence[Parameters], builder: Builder, value: str) -> str:
        """Emit all layers after `value` and give the value of the raw outputs."""
        for layer, config, shape, own in zip(self.layers, self.configs, self.shapes, parameters, strict=False):
            value = layer.to_graph(config, own, builder, value, shape)
        return value

    def records(self, parameters: Sequence[Parameters], final: str) -> tuple[LayerRecord, ...]:
        """Return a row of the model's table for each layer; `final` is the activation after the output layer."""
        rows = []
        for i, (name, layer, config) in enumerate(zip(self.names, self.layers, self.configs, strict=True)):
            last = i == len(self.kinds) - 1
            rows.append(
                LayerRecord(
                    name=name,
                    kind=self.kinds[i],
                    shape_out=self.shapes[i + 1],
                    parameters=sum(int(np.size(a)) for a in parameters[i].values()),
                    macs=layer.macs(config, self.shapes[i]),
                    activation_bytes=4 * math.prod(self.shapes[i + 1]),
                    activation=final if last else layer.activation(config),
                    formula=f"{final}({layer.formula(config)})"
                    if last and final != "linear"
                    else layer.formula(config),
                )
            )
        return tuple(rows)


def architecture(tables: Sequence[dict[str, Any]], shape: Shape, outputs: int, *, head: Head = "dense") -> Architecture:
    """Read the tables, add the output layer, and check every shape.

    Args:
        tables: each with its `kind`, a file of `models/nn`.
        shape: of one sample.
        outputs: units of the output layer.
        head: kind of the output layer; with 'conv2d' every place has outputs of its own.

    Raises:
        InputError: for an unknown kind or key, or an impossible shape.
    """
    kinds, configs, shapes = [], [], [tuple(int(n) for n in shape)]
    for number, table in enumerate(tables, start=1):
        kind, config, layer = read_layer(table, number)
        kinds.append(kind)
        configs.append(config)
        shapes.append(layer.out_shape(config, shapes[-1]))
    last: LayerConfig = DenseConfig(units=outputs, activation="linear")
    if head == "conv2d":
        last = Conv2dConfig(filters=outputs, kernel=1, activation="linear", normalise=False)
    kinds.append(head)
    configs.append(last)
    shapes.append(find(nn.__name__, head, "LAYER", "layer").out_shape(last, shapes[-1]))
    return Architecture(kinds=tuple(kinds), configs=tuple(configs), shapes=tuple(shapes))


def settled(tables: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the tables as a fitted network keeps them: they name no file that it is built from."""
    settled_tables = []
    for number, table in enumerate(tables, start=1):
        kind, config, layer = read_layer(table, number)
        given = None if layer.settled is None else msgspec.to_builtins(layer.settled(config))
        settled_tables.append(dict(table) if given is None else {"kind": kind, **given})
    return tuple(settled_tables)


def layer_of(table: Mapping[str, Any]) -> Layer[Any]:
    """Return the definition of the layer that a table names.

    Raises:
        UnknownNameError: listing the known ones.
    """
    layer: Layer[Any] = find(nn.__name__, str(table.get("kind", "")), "LAYER", "layer", "model.layers")
    return layer


def width_of(table: Mapping[str, Any]) -> int | None:
    """Return the width that a layer's table sets; None where the layer has none."""
    width = table.get(layer_of(table).width)
    return None if width is None else int(width)


def with_width(table: Mapping[str, Any], width: int) -> dict[str, Any]:
    """Return the table of a layer with another width."""
    return {**table, layer_of(table).width: width}


class _Function:
    """The network as a function of parameters and samples; with `every`, the outputs of all layers."""

    def __init__(self, layers: tuple[Layer[Any], ...], configs: tuple[LayerConfig, ...], every: bool) -> None:
        self.parts, self.every = tuple(zip(layers, configs, strict=True)), every
        # All layers have derivatives in NumPy: NumPy arrays give NumPy arrays.
        self.is_plain = all(layer.gradient is not None for layer in layers)

    def values(self, parameters: list[Parameters], x: Any) -> list[Any]:  # noqa: ANN401 - an array or a tracer
        """Return what each layer gives."""
        values = []
        for (layer, config), own in zip(self.parts, parameters, strict=True):
            x = layer.apply(config, own, x)
            values.append(x)
        return values

    def gradient(self, parameters: list[Parameters], values: list[Any], of_y: Any, into: list[Parameters]) -> None:  # noqa: ANN401
        """Write the derivatives of a loss by the parameters, in NumPy.

        Args:
            parameters: of each layer.
            values: what came in, and what each layer gave.
            of_y: derivatives by the outputs.
            into: arrays like the parameters.
        """
        for i in reversed(range(len(self.parts))):
            layer, config = self.parts[i]
            assert layer.gradient is not None  # noqa: S101 - `is_plain`
            of_y = layer.gradient(config, parameters[i], values[i], values[i + 1], of_y, into[i], i > 0)

    @property
    def training(self) -> Callable[[list[Parameters], Any, Any], Any] | None:
        """The network in a training step: (parameters, x, random key) -> outputs; None where it is no other."""
        varied = any(layer.training or layer.normalises(config) for layer, config in self.parts)
        return self._training if varied else None

    def _training(self, parameters: list[Parameters], x: Any, key: Any) -> Any:  # noqa: ANN401 - JAX arrays or tracers
        for number, ((layer, config), own) in enumerate(zip(self.parts, parameters, strict=True)):
            normalisation = layer.normalises(config)
            if normalisation is not None:
                x, _ = normalisation.measure(config, own, x)
            elif layer.training is not None:
                x = layer.training(config, own, x, jax.random.fold_in(key, number))
            else:
                x = layer.apply(config, own, x)
        return x

    def trainable(self, parameters: list[Parameters]) -> list[dict[str, bool]] | None:
        """Return whether training changes each parameter; None where it changes all of them."""
        if not any(layer.frozen for layer, _ in self.parts):
            return None
        fixed = [
            frozenset() if layer.frozen is None else layer.frozen(config, own)
            for (layer, config), own in zip(self.parts, parameters, strict=True)
        ]
        return [{name: name not in names for name in own} for names, own in zip(fixed, parameters, strict=True)]

    @property
    def measure(self) -> Callable[[list[Parameters], Any], list[Parameters]] | None:
        """(parameters, x) -> parameters with the means and variances of these samples; None without any."""
        return self._measure if any(layer.normalises(config) for layer, config in self.parts) else None

    def _measure(self, parameters: list[Parameters], x: Any) -> list[Parameters]:  # noqa: ANN401 - JAX arrays
        measures = []
        for (layer, config), own in zip(self.parts, parameters, strict=True):
            normalisation = layer.normalises(config)
            if normalisation is None:
                x = layer.apply(config, own, x)
            else:
                x, own = normalisation.measure(config, own, x)
            measures.append(own)
        return measures

    def folded(self, parameters: list[Parameters]) -> list[Parameters]:
        """Return parameters without normalisation that give the same."""
        return [
            own if layer.normalisation is None else layer.normalisation.folded(config, own)
            for (layer, config), own in zip(self.parts, parameters, strict=True)
        ]

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        values = self.values(parameters, x)
        return values if self.every else values[-1]


@lru_cache(maxsize=256)
def function(network: Architecture, every: bool = False) -> _Function:
    """Return the same object for the same network, so that its programs are compiled once a process."""
    return _Function(network.layers, network.configs, every)


Grid = tuple[float, int]
"""Scale and zero point."""


class LayerStack:
    """Layers as a function of parameters and samples; equal stacks share compiled programs.

    Args:
        tables: configuration of each layer.
        key: what the tables depend on.
        grids: of what comes in, of each layer, of both halves of a layer that has two, and of each sum; empty for no
            rounding.
    """

    training = None

    def __init__(self, tables: Iterable[dict[str, Any]], key: Hashable, grids: tuple[Grid, ...] = ()) -> None:
        read = [read_layer(table, number) for number, table in enumerate(tables, start=1)]
        self.parts: list[tuple[LayerConfig, Layer[Any]]] = [(config, layer) for _, config, layer in read]
        self.grids, self._key = grids, (type(self), key, grids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerStack) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def adds(self, index: int) -> bool:
        """Return whether a layer adds to what it got."""
        return False

    def shapes(self, shape: Shape) -> list[Shape]:
        """Return what arrives at each layer, and after them what leaves the last."""
        stage_shapes = [shape]
        for config, layer in self.parts:
            stage_shapes.append(layer.out_shape(config, stage_shapes[-1]))
        return stage_shapes

    def started(self, shape: Shape, rng: np.random.Generator) -> list[Parameters]:
        """Return parameters of every layer, for samples of a shape."""
        parts = zip(self.parts, self.shapes(shape), strict=False)
        return [layer.initialise(config, at, rng) for (config, layer), at in parts]

    def __call__(self, parameters: list[Parameters], x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
        """(batch, *shape) -> (batch, *shape of the last layer)."""
        grids = iter(self.grids)

        def rounded(value: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
            return _rounded(value, next(grids)) if self.grids else value

        x = rounded(x)
        for index, ((config, layer), own) in enumerate(zip(self.parts, parameters, strict=True)):
            weights = {name: _rounded_weights(name, value) for name, value in own.items()} if self.grids else own
            if self.grids and layer.between is not None:
                y = layer.between(config, weights, x, rounded)
            else:
                y = layer.apply(config, weights, x)
            y = rounded(y)
            x = rounded(x + y) if self.adds(index) else y
        return x

    def to_graph(self, parameters: Sequence[Parameters], builder: Builder, value: str, shape: Shape) -> str:
        """Return the same in the dialect, after `value`."""
        shapes = self.shapes(shape)
        for index, ((config, layer), own) in enumerate(zip(self.parts, parameters, strict=True)):
            answer = layer.to_graph(config, own, builder, value, shapes[index])
            value = builder.op("Add", value, answer) if self.adds(index) else answer
        return value

    def work(self, shape: Shape) -> int:
        """Return multiply-accumulates for samples of a shape."""
        return sum(layer.macs(config, at) for (config, layer), at in zip(self.parts, self.shapes(shape), strict=False))


def _rounded(x: Any, grid: Grid) -> Any:  # noqa: ANN401 - a JAX array or tracer
    scale, zero = grid
    clipped = jnp.clip(x, (-128 - zero) * scale, (127 - zero) * scale)
    return clipped + lax.stop_gradient(jnp.round(clipped / scale) * scale - clipped)


def _rounded_weights(name: str, value: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """Return weights with a scale for each output channel; biases have 32 bits and stay."""
    if name.endswith("bias"):
        return value
    axis = 1 if name == "pointwise" else 0
    others = tuple(i for i in range(value.ndim) if i != axis)
    scale = lax.stop_gradient(jnp.maximum(jnp.max(jnp.abs(value), axis=others, keepdims=True), 1e-12) / 127.0)
    return value + lax.stop_gradient(jnp.round(value / scale) * scale - value)
