"""Training the autoencoder: JAX here, int8 ONNX for the device."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.monitor.detectors._row import SlidingMean, enough, filled, scales
from edgewright.monitor.detectors.autoencoder import AutoencoderConfig
from edgewright.training.backend import jax, jnp, optax

_BATCH, _RATE = 64, 3e-3
_CALIBRATION = 512
# Rows beyond this are drawn: a network of a few hundred weights learns no more from more.
_MAX_ROWS = 20_000


def fit_autoencoder(config: AutoencoderConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Train the network, makes it int8, and measures the error of every channel with the integers.

    Args:
        config: settings.
        values: shape (rows, channels), mostly normal.
        time: shape (rows,), not used.

    Raises:
        InputError: fewer than 64 rows.
    """
    enough(values, 64, "autoencoder")
    mean, deviation = scales(values)
    z = filled(values, mean, deviation).astype(np.float32)
    rng = np.random.default_rng(config.seed)
    learnt = z if len(z) <= _MAX_ROWS else z[np.sort(rng.choice(len(z), _MAX_ROWS, replace=False))]
    channels = z.shape[1]
    hidden = config.hidden or max(8, 2 * channels)
    narrow = config.narrow or max(1, channels // 2)
    layers = _train(learnt, (channels, hidden, narrow, hidden, channels), config.epochs, rng)
    raw = np.where(np.isfinite(values), values, mean).astype(np.float32)
    graph = quantise(_graph(layers, mean, deviation), raw[rng.permutation(len(raw))[:_CALIBRATION]])
    back = compile_graph(graph)(raw)[graph.outputs[0].name]
    sliding = SlidingMean(config.mean, channels)
    errors = np.stack([sliding.push(row) for row in np.where(np.isfinite(values), z - back, 0.0)])
    unit = np.maximum(np.sqrt((errors[min(config.mean - 1, len(errors) // 2) :] ** 2).mean(0)), 1e-3)
    model = np.frombuffer(to_onnx(graph), np.uint8)
    return {"mean": mean, "deviation": deviation, "unit": unit, "model": model, "rows": config.mean}


def _train(z: Floats, sizes: tuple[int, ...], epochs: int, rng: np.random.Generator) -> list[tuple[Floats, Floats]]:
    """Return weights and biases of every layer, mean squared error, Adam."""
    start = [
        (
            (rng.standard_normal((a, b)) * math.sqrt(2 / a)).astype(np.float32),
            np.zeros(b, np.float32),
        )
        for a, b in pairwise(sizes)
    ]
    optimiser = optax.adam(_RATE)

    def loss(layers: Any, x: Any) -> Any:  # noqa: ANN401 - JAX's arrays
        value = x
        for index, (weights, bias) in enumerate(layers):
            value = value @ weights + bias
            value = jnp.maximum(value, 0) if index < len(layers) - 1 else value
        return jnp.mean((value - x) ** 2)

    def step(carry: Any, x: Any) -> Any:  # noqa: ANN401
        layers, state = carry
        changes, state = optimiser.update(jax.grad(loss)(layers, x), state)
        return (optax.apply_updates(layers, changes), state), 0.0

    epoch = jax.jit(lambda carry, batches: jax.lax.scan(step, carry, batches)[0])
    carry: Any = (start, optimiser.init(start))
    batch = min(_BATCH, len(z))
    for _ in range(epochs):
        order = rng.permutation(len(z))[: len(z) // batch * batch]
        carry = epoch(carry, z[order].reshape(-1, batch, z.shape[1]))
    return [(np.asarray(w, np.float32), np.asarray(b, np.float32)) for w, b in carry[0]]


def _graph(layers: list[tuple[Floats, Floats]], mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Graph:
    """Raw row in, row in units of its deviations out; float scaling before the boundary, as everywhere."""
    channels = len(mean)
    builder = Builder("autoencoder", (channels,))
    centred = builder.op("Sub", builder.input, builder.constant(mean.astype(np.float32)))
    value = builder.op("Mul", centred, builder.constant((1 / deviation).astype(np.float32)))
    # What is far out is odd whatever the network says: the grid of the integers is not stretched by it.
    value = builder.op("Clip", value, builder.number(-8.0), builder.number(8.0))
    builder.boundary(value)
    for index, (weights, bias) in enumerate(layers):
        value = builder.op("Gemm", value, builder.constant(weights), builder.constant(bias))
        value = builder.op("Relu", value) if index < len(layers) - 1 else value
    return builder.finish({"prediction": (value, "float32", (channels,))})
