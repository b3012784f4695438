"""What layers with a state have in common: gates, their first weights, and the shapes of window and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewright.graph.builder import Builder
from edgewright.graph.stage import Layer, LayerConfig, Parameters, Shape
from edgewright.models.nn._windows import Positive, window_shape
from edgewright.training.backend import jax, jnp


class RecurrentConfig(LayerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state that every sample of the window changes.

    Attributes:
        units: numbers of the state, which is what comes out.
        sequence: whether the state after every sample comes out, not after the last alone.
    """

    units: Positive
    sequence: bool = False


def out_shape(config: RecurrentConfig, shape: Shape, kind: str) -> Shape:
    """(channels, samples) -> (units,), or (units, samples) of a sequence."""
    samples = window_shape(shape, kind)[1]
    return (config.units, samples) if config.sequence else (config.units,)


def initial_gates(config: RecurrentConfig, channels: int, gates: int, rng: np.random.Generator) -> Parameters:
    """Draw weights of every gate: of the input with variance 1/channels, of the state orthogonal (Saxe et al., 2014).

    Returns:
        `weights` of shape (gates, units, channels), `recurrent` (gates, units, units), and `bias` of zeros.
    """
    units = config.units
    squares = [np.linalg.qr(rng.standard_normal((units, units)))[0] for _ in range(gates)]
    weights = rng.standard_normal((gates, units, channels)) / np.sqrt(channels)
    return {
        "weights": weights.astype(np.float32),
        "recurrent": np.stack(squares).astype(np.float32),
        "bias": np.zeros(gates * units, np.float32),
    }


def scan(config: RecurrentConfig, parameters: Parameters, x: Any, step: Any, states: int) -> Any:  # noqa: ANN401 - JAX
    """Run a step over the samples.

    Args:
        config: of the layer.
        parameters: as `initial_gates` gives them.
        x: shape (batch, channels, samples).
        step: (states, gates before the state's part, of shape (batch, gates, units)) -> states; the first comes out.
        states: how many there are.

    Returns:
        Shape (batch, units), or (batch, units, samples) of a sequence.
    """
    bias = parameters["bias"].reshape(-1, config.units)
    coming = jnp.einsum("bct,guc->tbgu", x, parameters["weights"]) + bias
    zeros = jnp.zeros((x.shape[0], config.units), x.dtype)

    def advance(state: Any, gates: Any) -> Any:  # noqa: ANN401 - JAX arrays or tracers
        state = step(state, gates)
        return state, state[0] if config.sequence else None

    last_state, every = jax.lax.scan(advance, (zeros,) * states, coming)
    return jnp.transpose(every, (1, 2, 0)) if config.sequence else last_state[0]


def emit(op: str, config: RecurrentConfig, builder: Builder, value: str, *constants: Any, **attributes: int) -> str:  # noqa: ANN401
    """Append the operator over a window, its constants as ONNX lays them out: one direction first."""
    names = [builder.constant(np.asarray(array, np.float32)[None]) for array in constants]
    window = "sequence" if config.sequence else "last"
    return builder.op(op, value, *names, hidden_size=config.units, window=window, **attributes)


def macs(config: RecurrentConfig, shape: Shape, gates: int) -> int:
    """Return the weights of all gates, once a sample."""
    return gates * config.units * (shape[0] + config.units) * shape[1]


def recurrent_layer(kind: str, gates: int, formula: str, **parts: Any) -> Layer[Any]:  # noqa: ANN401 - of a layer
    """Return a layer with a state; `parts` are `config`, `initialise`, `apply`, `to_graph` and `integer`."""
    return Layer(
        out_shape=lambda config, shape: out_shape(config, shape, kind),
        macs=lambda config, shape: macs(config, shape, gates),
        formula=lambda config: formula,
        activation=lambda config: "tanh",
        width="units",
        **parts,
    )
