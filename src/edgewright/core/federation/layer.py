"""The layer that a fleet learns together: the change that a device's own examples make, and how changes are applied.

A change is one vector of integers: weights in their own steps, biases in steps of `bias_unit` weights. One unit of each
then moves a score about as much as the other, so that both go into one rotation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import Learner, fresh
from edgewright.schema.errors import InputError

_INT16, _INT32 = 1 << 15, 1 << 31


@dataclass(frozen=True)
class Layer:
    """Weights and biases of the last layer.

    Attributes:
        weights: int16 values, shape (classes, width).
        bias: int32 values, shape (classes,).
    """

    weights: Numbers
    bias: Numbers


def check_factory(factory: Factory, where: str) -> None:
    """Refuse a layer that gradient steps do not move.

    Raises:
        InputError: its weights are computed from means.
    """
    if factory.spec.layer != "output":
        raise InputError(
            "a package with [adapt] layer = \"output\"", f"layer = \"{factory.spec.layer}\"", where,
            "Run the pipeline again with --set adapt.layer=output",
        )  # fmt: skip


def factory_layer(factory: Factory) -> Layer:
    """Return the layer that a fleet begins with."""
    return Layer(factory.weights.astype(np.int64), factory.bias.astype(np.int64))


def layer_bytes(layer: Layer) -> bytes:
    """Return weights as int16 and biases as int32, little endian."""
    return layer.weights.astype("<i2").tobytes() + layer.bias.astype("<i4").tobytes()


def parse_layer(data: bytes, factory: Factory) -> Layer:
    """Return the layer in some bytes.

    Raises:
        InputError: another number of bytes, or numbers beyond the limits of the package.
    """
    classes, width = factory.weights.shape
    size = 2 * classes * width
    if len(data) != size + 4 * classes:
        raise InputError(f"a layer of {size + 4 * classes} bytes", f"{len(data)} bytes", "layer of a round")
    weights = np.frombuffer(data, "<i2", classes * width).astype(np.int64).reshape(classes, width)
    layer = Layer(weights, np.frombuffer(data, "<i4", classes, size).astype(np.int64))
    within = _within(factory, layer)
    if (within.weights != weights).any() or (within.bias != layer.bias).any():
        raise InputError("a layer within the limits of the package", "one beyond them", "layer of a round")
    return layer


def bias_unit(factory: Factory) -> int:
    """Return the steps of a bias that move a score about as much as one step of a weight."""
    return max(1, math.isqrt(factory.spec.bias_step))


def local_change(
    factory: Factory, layer: Layer, hidden: NDArray[np.integer], labels: NDArray[np.integer], passes: int, seed: int
) -> Numbers:
    """Return what gradient steps on a device's own examples change, shape (classes * width + classes,).

    Args:
        factory: of the package, with the layer 'output'.
        layer: of the fleet, before the round.
        hidden: what the last layer receives, less its zero point, shape (n, width).
        labels: right classes, shape (n,).
        passes: over the examples, each in an order of its own.
        seed: of the orders.
    """
    learner, order = Learner(factory, fresh(factory)), np.random.default_rng(seed)
    learner.state.weights, learner.state.bias = layer.weights, layer.bias
    wide, known = hidden.astype(np.int64), labels.astype(np.int64)
    for _ in range(passes):
        for index in order.permutation(len(known)).tolist():
            learner.step(wide[index], int(known[index]))
    moved = np.round((learner.state.bias - layer.bias) / bias_unit(factory)).astype(np.int64)
    return np.concatenate([(learner.state.weights - layer.weights).ravel(), moved])


def apply_change(factory: Factory, layer: Layer, change: NDArray[np.float64]) -> Layer:
    """Return the layer after a change, within the limits of the package.

    Args:
        factory: of the package.
        layer: before.
        change: shape (classes * width + classes,).
    """
    split = layer.weights.size
    moved = layer.bias + np.round(change[split:] * bias_unit(factory)).astype(np.int64)
    weights = layer.weights + np.round(change[:split]).astype(np.int64).reshape(layer.weights.shape)
    return _within(factory, Layer(weights, moved))


def _within(factory: Factory, layer: Layer) -> Layer:
    spec, weights, bias = factory.spec, factory.weights.astype(np.int64), factory.bias.astype(np.int64)
    low, high = np.maximum(weights - spec.weight_limit, -_INT16), np.minimum(weights + spec.weight_limit, _INT16 - 1)
    least = np.maximum(bias - spec.bias_limit, -_INT32)
    most = np.minimum(bias + spec.bias_limit, _INT32 - 1)
    return Layer(np.clip(layer.weights, low, high), np.clip(layer.bias, least, most))
