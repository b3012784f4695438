"""Layers one after the other as a function of parameters and samples, with the roundings of int8 where they are known.

Training with rounding is quantisation-aware (B. Jacob et al., CVPR 2018): each layer learns with the rounding of those
before it, and gradients pass straight through.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.layer import Layer, LayerConfig, Parameters, Shape
from edgewright.models.layer_table import read_layer
from edgewright.training.backend import jnp, lax

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
