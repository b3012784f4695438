"""Arithmetic value by value, with ONNX's (which is NumPy's) broadcasting."""

from __future__ import annotations

import functools

import numpy as np

from edgewright.core.operators import operator, plain
from edgewright.core.operators._error_function import error_function
from edgewright.schema.graph import Array


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(np.divide(a, b))
    # ONNX integers divide towards zero, NumPy's towards minus infinity.
    quotient = np.floor_divide(np.abs(a), np.abs(b))
    return np.asarray(np.where((a < 0) == (b < 0), quotient, -quotient), a.dtype)


def _power(a: Array, b: Array) -> Array:
    return np.asarray(np.power(a, b), a.dtype)


def _maximum(*values: Array) -> Array:
    return functools.reduce(np.maximum, values)


def _minimum(*values: Array) -> Array:
    return functools.reduce(np.minimum, values)


def _reciprocal(x: Array) -> Array:
    return np.asarray(np.divide(x.dtype.type(1), x))


operator("Add")(plain(np.add))
operator("Sub")(plain(np.subtract))
operator("Mul")(plain(np.multiply))
operator("Div")(plain(_divide))
operator("Pow")(plain(_power))
operator("Max")(plain(_maximum))
operator("Min")(plain(_minimum))
operator("Neg")(plain(np.negative))
operator("Abs")(plain(np.abs))
operator("Sqrt")(plain(np.sqrt))
operator("Exp")(plain(np.exp))
operator("Log")(plain(np.log))
operator("Floor")(plain(np.floor))
operator("Ceil")(plain(np.ceil))
# Both round halves to the even neighbour.
operator("Round")(plain(np.rint))
operator("Reciprocal")(plain(_reciprocal))
operator("Sign")(plain(np.sign))
operator("Sin")(plain(np.sin))
operator("Cos")(plain(np.cos))
operator("Erf")(plain(error_function))
