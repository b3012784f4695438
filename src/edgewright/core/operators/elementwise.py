"""Arithmetic value by value, with ONNX's (which is NumPy's) broadcasting."""

from __future__ import annotations

import functools

import numpy as np

from edgewright.core.operators import Function, operator, plain
from edgewright.core.operators._error_function import error_function
from edgewright.schema.graph import Array


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(np.divide(a, b))
    # ONNX integers divide towards zero, NumPy's towards minus infinity.
    quotient = np.floor_divide(np.abs(a), np.abs(b))
    return np.asarray(np.where((a < 0) == (b < 0), quotient, -quotient), a.dtype)


_FUNCTIONS: dict[str, Function] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": lambda a, b: np.asarray(np.power(a, b), a.dtype),
    "Max": lambda *values: functools.reduce(np.maximum, values),
    "Min": lambda *values: functools.reduce(np.minimum, values),
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Floor": np.floor,
    "Ceil": np.ceil,
    # Both round halves to the even neighbour.
    "Round": np.rint,
    "Reciprocal": lambda x: np.asarray(np.divide(x.dtype.type(1), x)),
    "Sign": np.sign,
    "Sin": np.sin,
    "Cos": np.cos,
    "Erf": error_function,
}
for _name, _function in _FUNCTIONS.items():
    operator(_name)(plain(_function))
