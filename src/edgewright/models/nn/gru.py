"""Gated recurrent unit over the samples of a window (Cho et al., 2014), the reset after the product with the state."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Parameters, Shape
from edgewright.models.nn._recurrent import RecurrentConfig, emit, initial_gates, recurrent_layer, scan
from edgewright.models.nn._windows import window_shape
from edgewright.training.backend import jax, jnp

KIND = "gru"


class GruConfig(RecurrentConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two gates decide how much of the state stays, and how much of it the new state sees.

    Attributes:
        units: numbers of the state, which is what comes out.
        sequence: whether the state after every sample comes out, not after the last alone.
    """


def initialise(config: GruConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """Return the gates' weights, update, reset and new state, and `state_bias`, which the reset gate lets through."""
    parameters = initial_gates(config, window_shape(shape, KIND)[0], 3, rng)
    return {**parameters, "state_bias": np.zeros(config.units, np.float32)}


def apply(config: GruConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, units), or (batch, units, samples) of a sequence."""
    recurrent, bias = parameters["recurrent"], parameters["state_bias"]

    def step(state: Any, gates: Any) -> Any:  # noqa: ANN401 - JAX arrays or tracers
        (hidden,) = state
        own = jnp.einsum("bk,guk->bgu", hidden, recurrent)
        kept, seen = (jax.nn.sigmoid(gates[:, n] + own[:, n]) for n in range(2))
        fresh = jnp.tanh(gates[:, 2] + seen * (own[:, 2] + bias))
        return (fresh + kept * (hidden - fresh),)

    return scan(config, parameters, x, step, 1)


def to_graph(config: GruConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """One GRU over the window."""
    del shape
    gates = 3 * config.units
    late = np.concatenate([np.zeros(2 * config.units), parameters["state_bias"]])
    bias = np.concatenate([parameters["bias"], late])
    weights = np.reshape(parameters["weights"], (gates, -1))
    recurrent = np.reshape(parameters["recurrent"], (gates, -1))
    return emit("GRU", config, builder, value, weights, recurrent, bias, linear_before_reset=1)


LAYER = recurrent_layer(
    KIND,
    3,
    "z, r = sigmoid(W x + R h + b), n = tanh(Wn x + bn + r (Rn h + cn)), h = (1 - z) n + z h, at every sample",
    config=GruConfig,
    initialise=initialise,
    apply=apply,
    to_graph=to_graph,
    integer=lambda config: True,
)
