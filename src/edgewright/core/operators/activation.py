"""Activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewright.core.operators import Function, operator, plain
from edgewright.core.operators._attributes import integer, number
from edgewright.schema.graph import Array, Node

_ZERO = np.zeros((), np.float32)
_UNIT = np.ones((), np.float32)
_FLOAT32 = np.dtype(np.float32)
# (array, axis, dtype, out, keepdims): the ufuncs themselves, a third of the time of the methods of an array.
_add: Callable[..., Array] = np.add.reduce
_largest: Callable[..., Array] = np.maximum.reduce


def _relu(x: Array) -> Array:
    # A ready float32 zero spares NumPy the conversion of a Python number at each call.
    y: Array = np.maximum(x, _ZERO if x.dtype is _FLOAT32 else x.dtype.type(0))
    return y


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    # exp overflows to infinity for very negative x, and 1 / infinity is the 0 wanted.
    unit = _UNIT if x.dtype is _FLOAT32 else x.dtype.type(1)
    return np.asarray(unit / (unit + np.exp(-x)))


operator("Relu")(plain(_relu))
operator("Sigmoid")(plain(sigmoid))
operator("Tanh")(plain(np.tanh))


@operator("LeakyRelu")
def leaky_relu(node: Node, constants: Sequence[Array | None]) -> Function:
    """Give x where x >= 0, alpha * x elsewhere."""
    alpha = number(node, "alpha", 0.01)
    return lambda x: np.where(x >= 0, x, x * x.dtype.type(alpha))


@operator("Softmax")
def softmax(node: Node, constants: Sequence[Array | None]) -> Function:
    """exp(x) / sum(exp(x)) along an axis, the largest value taken off first so that nothing overflows."""
    axis = integer(node, "axis", -1)

    def run(x: Array) -> Array:
        powers = np.exp(x - _largest(x, axis, None, None, True))
        powers /= _add(powers, axis, None, None, True)
        return np.asarray(powers)

    return run


@operator("Clip")
def clip(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return values held between the two optional limits."""

    def run(x: Array, low: Array | None = None, high: Array | None = None) -> Array:
        if low is not None:
            x = np.maximum(x, low)
        return x if high is None else np.asarray(np.minimum(x, high))

    return run
