"""From float to integers and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.core.operators import Function, operator, plain, where
from edgewright.core.operators._attributes import given, integer
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node

# Numbers of TensorProto.DataType in onnx.proto3.
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.uint8),
    3: np.dtype(np.int8),
    6: np.dtype(np.int32),
    7: np.dtype(np.int64),
    9: np.dtype(np.bool_),
    11: np.dtype(np.float64),
}

operator("Where")(plain(np.where))
operator("IsNaN")(plain(np.isnan))
operator("Greater")(plain(np.greater))
operator("GreaterOrEqual")(plain(np.greater_equal))
operator("Less")(plain(np.less))
operator("LessOrEqual")(plain(np.less_equal))
operator("Equal")(plain(np.equal))
operator("And")(plain(np.logical_and))
operator("Or")(plain(np.logical_or))
operator("Xor")(plain(np.logical_xor))
operator("Not")(plain(np.logical_not))


@operator("Cast")
def cast(node: Node, constants: Sequence[Array | None]) -> Function:
    """Another type; fractions are cut off towards zero."""
    to = integer(node, "to", 0)
    if to not in DTYPES:
        known = ", ".join(f"{number} ({dtype})" for number, dtype in DTYPES.items())
        raise InputError(f"one of the types {known}", str(to), where(node))
    dtype = DTYPES[to]
    return lambda x: np.asarray(x).astype(dtype)


def _extreme(name: str) -> Callable[[Node, Sequence[Array | None]], Function]:
    def factory(node: Node, constants: Sequence[Array | None]) -> Function:
        axis, keep = integer(node, "axis", 0), bool(integer(node, "keepdims", 1))
        last = bool(integer(node, "select_last_index", 0))
        # The method of the array: np.argmax looks for that method again at each call.
        flat = getattr(np.ndarray, name)

        def run(x: Array) -> Array:
            if not last:
                return np.asarray(flat(x, axis, None, keepdims=keep))
            return np.asarray(x.shape[axis] - 1 - flat(np.flip(x, axis), axis, None, keepdims=keep))

        return run

    return factory


operator("ArgMax")(_extreme("argmax"))
operator("ArgMin")(_extreme("argmin"))


def _along(parameter: Array, axis: int, rank: int) -> Array:
    """Return a scale or zero point as it broadcasts over an array: one value, or one for each entry of `axis`."""
    if parameter.size == 1:
        return parameter.reshape(())
    shape = [1] * rank
    shape[axis] = parameter.size
    return parameter.reshape(shape)


@operator("QuantizeLinear")
def quantise(node: Node, constants: Sequence[Array | None]) -> Function:
    """round(x / scale) + zero point, halves to even, held within the integer type."""
    axis, to = integer(node, "axis", 1), integer(node, "output_dtype", 0)
    if to and (to not in DTYPES or DTYPES[to].kind not in "iu"):
        raise InputError("an integer type", str(to), where(node))
    typed = DTYPES[to] if to else np.dtype(np.uint8)
    shifted = given(node, 2)

    def run(x: Array, scale: Array, zero: Array | None = None) -> Array:
        dtype = zero.dtype if shifted and zero is not None else typed
        steps = np.rint(x / _along(scale, axis, x.ndim))
        if shifted and zero is not None:
            steps += _along(zero, axis, x.ndim).astype(steps.dtype)
        limits = np.iinfo(dtype)
        return np.clip(steps, limits.min, limits.max).astype(dtype)

    return run


@operator("DequantizeLinear")
def dequantise(node: Node, constants: Sequence[Array | None]) -> Function:
    """(x - zero point) * scale, in the scale's type."""
    axis, shifted = integer(node, "axis", 1), given(node, 2)

    def run(x: Array, scale: Array, zero: Array | None = None) -> Array:
        steps = x
        if shifted and zero is not None:
            # int32 holds the difference of any two 8-bit numbers; the zero point of int32 values is 0.
            steps = x.astype(np.int32) - _along(zero, axis, x.ndim).astype(np.int32)
        return np.asarray(steps.astype(scale.dtype) * _along(scale, axis, x.ndim))

    return run
