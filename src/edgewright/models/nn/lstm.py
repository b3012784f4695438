"""Long short-term memory over the samples of a window (Hochreiter and Schmidhuber, 1997), with a forget gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Parameters, Shape
from edgewright.models.nn._recurrent import RecurrentConfig, emit, initial_gates, recurrent_layer, scan
from edgewright.models.nn._windows import window_shape
from edgewright.training.backend import jax, jnp

KIND = "lstm"
# Gates stand in the order of ONNX: input, output, forget, cell.
_FORGET = 2


class LstmConfig(RecurrentConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gates decide what a cell forgets, takes in and shows at every sample.

    Attributes:
        units: cells, and numbers that come out.
        sequence: whether the state after every sample comes out, not after the last alone.
    """


def initialise(config: LstmConfig, shape: Shape, rng: np.random.Generator) -> Parameters:
    """Return the gates' weights; the forget gate begins open, with a bias of 1 (Jozefowicz et al., 2015)."""
    parameters = initial_gates(config, window_shape(shape, KIND)[0], 4, rng)
    parameters["bias"].reshape(4, -1)[_FORGET] = 1.0
    return parameters


def apply(config: LstmConfig, parameters: Parameters, x: Any) -> Any:  # noqa: ANN401 - a JAX array or tracer
    """(batch, channels, samples) -> (batch, units), or (batch, units, samples) of a sequence."""
    recurrent = parameters["recurrent"]

    def step(state: Any, gates: Any) -> Any:  # noqa: ANN401 - JAX arrays or tracers
        hidden, cell = state
        gates = gates + jnp.einsum("bk,guk->bgu", hidden, recurrent)
        opened, shown, kept = (jax.nn.sigmoid(gates[:, n]) for n in range(3))
        cell = kept * cell + opened * jnp.tanh(gates[:, 3])
        return shown * jnp.tanh(cell), cell

    return scan(config, parameters, x, step, 2)


def to_graph(config: LstmConfig, parameters: Parameters, builder: Builder, value: str, shape: Shape) -> str:
    """One LSTM over the window."""
    del shape
    gates = 4 * config.units
    bias = np.concatenate([parameters["bias"], np.zeros(gates)])
    weights = np.reshape(parameters["weights"], (gates, -1))
    return emit("LSTM", config, builder, value, weights, np.reshape(parameters["recurrent"], (gates, -1)), bias)


LAYER = recurrent_layer(
    KIND,
    4,
    "i, o, f = sigmoid(W x + R h + b), c = f c + i tanh(Wc x + Rc h + bc), h = o tanh(c), at every sample",
    config=LstmConfig,
    initialise=initialise,
    apply=apply,
    to_graph=to_graph,
    integer=lambda config: True,
)
