"""From float to integers and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.operators import Function, operator, where
from edgewright.core.operators._attributes import given, integer
from edgewright.core.operators.logic import DTYPES
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node


def _along(parameter: Array, axis: int, rank: int) -> Array:
    """A scale or zero point as it broadcasts over an array: one value, or one for each entry of `axis`."""
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
