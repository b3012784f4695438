"""A network's function with zeros that stay zero, and with values rounded as the device will round them.

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

from edgewright.compression.weights import Grid
from edgewright.graph.layer import Parameters
from edgewright.models.architecture import Architecture

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
