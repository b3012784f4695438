"""Comparisons, choices and types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.core.operators import Function, operator, plain, where
from edgewright.core.operators._attributes import integer
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
        # The method of the array: np.argmax looks for that method anew at each call.
        flat = getattr(np.ndarray, name)

        def run(x: Array) -> Array:
            if not last:
                return np.asarray(flat(x, axis, None, keepdims=keep))
            return np.asarray(x.shape[axis] - 1 - flat(np.flip(x, axis), axis, None, keepdims=keep))

        return run

    return factory


operator("ArgMax")(_extreme("argmax"))
operator("ArgMin")(_extreme("argmin"))
