"""Arithmetic, activations, products of matrices and reductions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.core.operators import Factory, Function, operator, plain
from edgewright.core.operators._attributes import constant_integers, integer, number
from edgewright.core.records.network import Array, Node

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


operator("MatMul")(plain(np.matmul))


@operator("Gemm")
def gemm(node: Node, constants: Sequence[Array | None]) -> Function:
    """Give alpha * A' * B' + beta * C, A' and B' transposed where the attributes say so."""
    alpha, beta = number(node, "alpha", 1.0), number(node, "beta", 1.0)
    first, second = bool(integer(node, "transA", 0)), bool(integer(node, "transB", 0))

    def factor(b: Array) -> Array:
        b = b.T if second else b
        return np.ascontiguousarray(b if alpha == 1.0 else b * b.dtype.type(alpha))

    def offset(c: Array) -> Array:
        return c if beta == 1.0 else c * c.dtype.type(beta)

    # Weights are constants nearly always: turned and scaled once, not at each call.
    fixed = constants[1]
    weights = None if fixed is None else factor(fixed)
    fixed = constants[2] if len(constants) > 2 else None
    bias = None if fixed is None else offset(fixed)

    def run(a: Array, b: Array, c: Array | None = None) -> Array:
        product: Array = np.matmul(a.T if first else a, factor(b) if weights is None else weights)
        if bias is not None:
            product += bias
        elif c is not None:
            product += offset(c)
        return product

    return run


Axes = tuple[int, ...] | None
Reduction = Callable[[Array, Axes, bool], Array]
# (array, axes, dtype, out, keepdims): the ufuncs themselves, a third of the time of np.sum and its like.
_multiply: Callable[..., Array] = np.multiply.reduce
_smallest: Callable[..., Array] = np.minimum.reduce


def _reducer(reduction: Reduction) -> Factory:
    """Return the factory of a reduction: axes are an attribute before opset 18 and an input since."""

    def factory(node: Node, constants: Sequence[Array | None]) -> Function:
        axes, keep = constant_integers(node, constants, 1, "axes"), bool(integer(node, "keepdims", 1))
        if not axes and integer(node, "noop_with_empty_axes", 0):
            return lambda x, _axes=None: x
        over = axes or None
        return lambda x, _axes=None: np.asarray(reduction(x, over, keep), x.dtype)

    return factory


def _sum(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_add(x, axes, x.dtype, None, keep))


def _mean(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(x.mean(axes, keepdims=keep))


def _max(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_largest(x, axes, None, None, keep))


def _min(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_smallest(x, axes, None, None, keep))


def _product(x: Array, axes: Axes, keep: bool) -> Array:
    return np.asarray(_multiply(x, axes, x.dtype, None, keep))


def _log_sum_exp(x: Array, axes: Axes, keep: bool) -> Array:
    # The largest value is taken off first, so that exp does not overflow.
    top = _max(x, axes, True)
    total = np.log(_sum(np.exp(x - top), axes, True)) + top
    return np.asarray(total if keep else np.squeeze(total, axes))


operator("ReduceSum")(_reducer(_sum))
operator("ReduceMean")(_reducer(_mean))
operator("ReduceMax")(_reducer(_max))
operator("ReduceMin")(_reducer(_min))
operator("ReduceProd")(_reducer(_product))
operator("ReduceL1")(_reducer(lambda x, axes, keep: _sum(np.abs(x), axes, keep)))
operator("ReduceL2")(_reducer(lambda x, axes, keep: np.sqrt(_sum(x * x, axes, keep))))
operator("ReduceSumSquare")(_reducer(lambda x, axes, keep: _sum(x * x, axes, keep)))
operator("ReduceLogSumExp")(_reducer(_log_sum_exp))
