"""Training of the recurrent network over characters, in JAX, with the best state on other articles kept."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.texts.contract import SYMBOLS, Codes
from edgewright.nlp.texts.gru import MATRICES, GruModel
from edgewright.training.backend import jax, jnp, optax

Arrays = dict[str, NDArray[Any]]


class GruTraining(NamedTuple):
    """How the network is trained.

    Attributes:
        units: numbers of the state.
        steps: of the optimiser.
        batch: pieces of text a step.
        length: symbols of a piece.
        rate: largest step of Adam; it rises for a tenth of the steps and falls as a cosine.
        checks: times at which the other articles decide whether the network got better.
    """

    units: int = 64
    steps: int = 600
    batch: int = 32
    length: int = 48
    rate: float = 8e-3
    checks: int = 6


def train_gru(codes: Codes, validation: Codes, how: GruTraining, seed: int) -> tuple[GruModel, Arrays]:
    """Train a network on a text.

    Args:
        codes: symbols of the text, shape (n,).
        validation: of other articles: the best of the states at `checks` is kept.
        how: as `GruTraining`.
        seed: seed of the first weights and the pieces.

    Returns:
        The int8 model and its arrays.
    """
    rng = np.random.default_rng(seed)
    parameters: Any = {name: jnp.asarray(array) for name, array in _initial(how.units, rng).items()}
    chunk = max(1, how.steps // how.checks)
    state = _optimiser(how).init(parameters)
    best = np.inf
    arrays: Arrays = {}
    whole = np.resize(codes, max(len(codes), how.length + 2))
    for _ in range(how.checks):
        begins = rng.integers(0, len(whole) - how.length, (chunk, how.batch))
        pieces = whole[begins[..., None] + np.arange(how.length + 1)].astype(np.int32)
        parameters, state = _chunk(parameters, state, jnp.asarray(pieces), how)
        now = _quantised({name: np.asarray(array) for name, array in parameters.items()})
        error = GruModel(now).bits(validation) if len(validation) else -np.inf
        if error <= best or not arrays:
            best, arrays = error, now
    return GruModel(arrays), arrays


def _optimiser(how: GruTraining) -> Any:  # noqa: ANN401 - optax has no types
    schedule = optax.warmup_cosine_decay_schedule(0.0, how.rate, how.steps // 10, how.steps, 0.02 * how.rate)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))


def _initial(units: int, rng: np.random.Generator) -> Arrays:
    squares = [np.linalg.qr(rng.standard_normal((units, units)))[0] for _ in range(3)]
    return {
        "inputs": (0.3 * rng.standard_normal((SYMBOLS, 3 * units))).astype(np.float32),
        "states": np.concatenate(squares).astype(np.float32),
        "outputs": (rng.standard_normal((SYMBOLS, units)) / np.sqrt(units)).astype(np.float32),
        "bias": np.zeros(3 * units, np.float32),
        "state_bias": np.zeros(units, np.float32),
        "output_bias": np.zeros(SYMBOLS, np.float32),
    }


def _loss(parameters: Any, pieces: Any) -> Any:  # noqa: ANN401 - JAX arrays
    """Cross entropy of pieces, shape (batch, length + 1)."""
    units = parameters["state_bias"].shape[0]
    gates = jnp.swapaxes(parameters["inputs"][pieces[:, :-1]] + parameters["bias"], 0, 1)

    def step(state: Any, gate: Any) -> Any:  # noqa: ANN401 - JAX arrays
        own = state @ parameters["states"].T
        kept = jax.nn.sigmoid(gate[:, :units] + own[:, :units])
        seen = jax.nn.sigmoid(gate[:, units : 2 * units] + own[:, units : 2 * units])
        fresh = jnp.tanh(gate[:, 2 * units :] + seen * (own[:, 2 * units :] + parameters["state_bias"]))
        state = fresh + kept * (state - fresh)
        return state, state

    _, states = jax.lax.scan(step, jnp.zeros((pieces.shape[0], units)), gates)
    logits = states @ parameters["outputs"].T + parameters["output_bias"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.swapaxes(pieces[:, 1:], 0, 1)).mean()


@partial(jax.jit, static_argnames="how")
def _chunk(parameters: Any, state: Any, pieces: Any, how: GruTraining) -> Any:  # noqa: ANN401 - JAX arrays
    optimiser = _optimiser(how)

    def update(carry: Any, some: Any) -> Any:  # noqa: ANN401 - JAX arrays
        weights, moments = carry
        updates, moments = optimiser.update(jax.grad(_loss)(weights, some), moments)
        return (optax.apply_updates(weights, updates), moments), None

    return jax.lax.scan(update, (parameters, state), pieces)[0]


def _quantised(parameters: Arrays) -> Arrays:
    """Return matrices in int8 with a scale a row; vectors stay floats."""
    arrays = {name: array for name, array in parameters.items() if name not in MATRICES}
    for name in MATRICES:
        scale = np.maximum(np.abs(parameters[name]).max(axis=1), 1e-8) / 127
        arrays[name] = np.rint(parameters[name] / scale[:, None]).astype(np.int8)
        arrays[f"{name}_scale"] = scale.astype(np.float32)
    return arrays
