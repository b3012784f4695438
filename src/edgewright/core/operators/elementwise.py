"""Arithmetic value by value, with ONNX's (which is NumPy's) broadcasting."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from edgewright.core.operators import Function, operator, plain
from edgewright.schema.graph import Array

# Where the second takes over; beyond the limit float32 has nothing but 1.
SPLIT, LIMIT = 0.9, 4.0
# The highest power first.
NEAR = (-6.090353e-4, 5.0119613e-3, -2.6778908e-2, 1.1282141e-1, -3.7612525e-1, 1.2837915e-1)
FAR = (-1.0432443e-5, 3.1485152e-4, -3.6103157e-3, 2.3694512e-2, -1.0615899e-1, -6.3519806e-1, -1.2863706e-1)


def error_function(x: Array) -> Array:
    """erf(x) for each value; not-a-number stays that."""
    kind = x.dtype.type
    bounded = np.minimum(np.maximum(x, kind(-LIMIT)), kind(LIMIT))
    size = np.abs(bounded)
    near = bounded + bounded * _polynomial(NEAR, bounded * bounded)
    far = np.copysign(kind(1) - np.exp(size * _polynomial(FAR, size) - size), bounded)
    return np.asarray(np.where(size > kind(SPLIT), far, near), x.dtype)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:  # noqa: ANN401 - an array
    value = x * x.dtype.type(coefficients[0]) + x.dtype.type(coefficients[1])
    for coefficient in coefficients[2:]:
        value = value * x + x.dtype.type(coefficient)
    return value


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
