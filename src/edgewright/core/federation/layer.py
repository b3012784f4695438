"""The layer that a fleet learns together: the change that a device's own examples make, and how changes are applied.

A change is one vector of integers: weights in their own steps, biases in steps of `bias_unit` weights. One unit of each
then moves a score about as much as the other, so that both go into one rotation.
"""

from __future__ import annotations

import functools
import hashlib
import math
import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import Learner, fresh
from edgewright.core.federation.masks import key_stream
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
        seed: seed of the orders.
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
    lowest = np.maximum(bias - spec.bias_limit, -_INT32)
    highest = np.minimum(bias + spec.bias_limit, _INT32 - 1)
    return Layer(np.clip(layer.weights, low, high), np.clip(layer.bias, lowest, highest))


_BLOCK, _STEPS = 256, 2
# Mean size of a normal variable with deviation 1, inverted: what makes signs as long as what they stand for.
_SCALE = math.sqrt(math.pi / 2.0)


def rotated_length(size: int) -> int:
    """Return how many signs stand for a change of `size` numbers."""
    block = _block(size)
    return -(-size // block) * block


class Rotation:
    """Twice a random order, random flips and the Walsh-Hadamard transform of blocks; exact: numbers stay below 2**53.

    A sum of the signs of rotated changes shows whoever sent more than one sign a number: the sum of k signs is from -k
    to k, and odd where k is odd. After a rotation that nobody chose, the signs of the other members are nearly fair
    coins, so that a contribution several times as long leaves that range somewhere. One sign a number, with a scale,
    estimates the direction of a vector (Vargaftik et al., DRIVE: One-bit distributed mean estimation, NeurIPS 2021).
    After one transform the signs of a change with a single large number would tell nothing of the others.

    Args:
        context: random bytes of the round and group, from which all members derive the same rotation.
        size: numbers of a change.
    """

    def __init__(self, context: bytes, size: int) -> None:
        self._size, self._length, self._matrix = size, rotated_length(size), _hadamard(_block(size))
        self._steps = [(np.argsort(self._stream(context, b"order%d" % step), kind="stable"),
                        1.0 - 2.0 * (self._stream(context, b"flips%d" % step) & 1))
                       for step in range(_STEPS)]  # fmt: skip

    def _stream(self, context: bytes, purpose: bytes) -> NDArray[np.uint32]:
        return key_stream(hashlib.sha256(b"edgewright rotation " + purpose + context).digest(), self._length)

    def forward(self, change: Numbers) -> Numbers:
        """Return a change after the rotation, times the length of a block; shape (rotated_length(size),)."""
        turned = np.zeros(self._length)
        turned[: self._size] = change
        for order, flips in self._steps:
            turned = ((turned[order] * flips).reshape(-1, len(self._matrix)) @ self._matrix).ravel()
        return turned.astype(np.int64)

    def signs(self, change: Numbers) -> Numbers:
        """Return a sign, 1 or -1, for each number of the rotated change; zeros get one by chance."""
        turned = self.forward(change)
        coins = np.frombuffer(secrets.token_bytes(self._length), np.uint8) & 1
        return np.where(turned == 0, 2 * coins.astype(np.int64) - 1, np.sign(turned))

    def backward(self, total: Numbers) -> NDArray[np.float64]:
        """Return the sum of directions, each about 1 long, for which a sum of signs stands; shape (size,)."""
        turned = total.astype(np.float64)
        for order, flips in reversed(self._steps):
            placed = np.empty_like(turned)
            placed[order] = (turned.reshape(-1, len(self._matrix)) @ self._matrix).ravel() * flips
            turned = placed
        turned *= _SCALE / (len(self._matrix) * math.sqrt(self._length))
        return turned[: self._size]


def _block(size: int) -> int:
    return min(_BLOCK, 1 << (size - 1).bit_length())


@functools.cache
def _hadamard(block: int) -> NDArray[np.float64]:
    if block == 1:
        return np.ones((1, 1))
    matrix: NDArray[np.float64] = np.kron(_hadamard(block // 2), np.array([[1.0, 1.0], [1.0, -1.0]]))
    return matrix
