"""Formulas that are written once: NumPy computes them and ONNX expresses them, so that the two cannot differ.

The functions take either a NumPy array, and compute, or a `Term`, and append operators to a graph. Arrays should be
float64 and constants float32: the constants are then the same numbers in both, and only rounding differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.builder import Builder

# A NumPy array or a Term. No type of Python expresses both and keeps +, - and *.
Value = Any
# The largest number of float32; number of float32 among the types of ONNX (TensorProto.DataType).
_LARGEST, _FLOAT = float(np.finfo(np.float32).max), 1


def _operators(op: str) -> tuple[Callable[[Term, Value], Term], Callable[[Term, Value], Term]]:
    """Return the methods of an operator with a term on its left, and on its right."""

    def left(self: Term, other: Value) -> Term:
        return Term(self.builder, self.builder.op(op, self.name, self.named(other)))

    def right(self: Term, other: Value) -> Term:
        return Term(self.builder, self.builder.op(op, self.named(other), self.name))

    return left, right


class Term:
    """A value of a graph under construction; arithmetic appends operators.

    Args:
        builder: builder of the graph.
        name: name of the value.
    """

    # With this, NumPy arrays on the left of an operator use the reflected methods below.
    __array_ufunc__ = None

    def __init__(self, builder: Builder, name: str) -> None:
        self.builder = builder
        self.name = name

    def op(self, op: str, *inputs: str, **attributes: Any) -> Term:  # noqa: ANN401 - any ONNX attribute
        """Append an operator on this value and named inputs."""
        return Term(self.builder, self.builder.op(op, self.name, *inputs, **attributes))

    def named(self, other: Value) -> str:
        """Name of another operand: a term, or a number or array that becomes a float32 constant."""
        if isinstance(other, Term):
            return other.name
        return self.builder.constant(np.asarray(other, np.float32))

    __add__, __radd__ = _operators("Add")
    __sub__, __rsub__ = _operators("Sub")
    __mul__, __rmul__ = _operators("Mul")
    __truediv__, __rtruediv__ = _operators("Div")

    def __neg__(self) -> Term:
        return self.op("Neg")


def _of_one(op: str, compute: Callable[..., Value]) -> Callable[[Value], Value]:
    return lambda x: x.op(op) if isinstance(x, Term) else compute(x)


sqrt = _of_one("Sqrt", np.sqrt)
log = _of_one("Log", np.log)
exp = _of_one("Exp", np.exp)
absolute = _of_one("Abs", np.abs)
# Halves are rounded to the even neighbour.
nearest = _of_one("Round", np.rint)
# The larger of x and 0.
relu = _of_one("Relu", lambda x: np.maximum(x, 0.0))


def clip(x: Value, low: float, high: float) -> Value:
    """Return limits x to low..high; a missing value stays missing."""
    if isinstance(x, Term):
        return x.op("Clip", x.builder.number(low), x.builder.number(high))
    return np.clip(x, np.float32(low), np.float32(high))


def present(x: Value) -> Value:
    """Return where values are present; NaN and infinite values are missing."""
    if isinstance(x, Term):
        size = x.builder.shared("Abs", x.name)
        return Term(x.builder, x.builder.shared("LessOrEqual", size, x.builder.number(_LARGEST)))
    return np.isfinite(x)


def counted(length: Value, axis: int) -> Value:
    """Return the number of true values along an axis as a float; the axis is kept unless it is the only one."""
    if isinstance(length, Term):
        builder = length.builder
        numbers = builder.shared("Cast", length.name, to=_FLOAT)
        return Term(builder, builder.shared("ReduceSum", numbers, builder.integers(axis), keepdims=1))
    return length.sum(axis=axis, keepdims=True, dtype=np.float64)


def choose(condition: Value, yes: Value, no: Value) -> Value:
    """Return one of two values by a condition, with broadcasting."""
    if isinstance(condition, Term):
        return Term(condition.builder, condition.builder.op("Where", *map(condition.named, (condition, yes, no))))
    return np.where(condition, yes, no)


def at_least(x: Value, low: float) -> Value:
    """Return the larger of x and a number."""
    return x.op("Max", x.builder.number(low)) if isinstance(x, Term) else np.maximum(x, low)


def fill(x: Value, values: Value) -> Value:
    """Put `values` (broadcast against x) where x is missing."""
    return choose(present(x), x, values)


def matmul(x: Value, matrix: NDArray[np.float32]) -> Value:
    """Return the matrix product over the last axis: (..., a) x (a, b) -> (..., b)."""
    if isinstance(x, Term):
        return x.op("MatMul", x.named(matrix))
    # One large product is far faster than NumPy's loop over many small ones.
    flat = x.reshape(-1, x.shape[-1]) @ matrix.astype(np.float64)
    return flat.reshape(*x.shape[:-1], matrix.shape[1])


def take(x: Value, indices: NDArray[np.int64], axis: int) -> Value:
    """Select along an axis; two-dimensional `indices` replace the axis by two axes."""
    if isinstance(x, Term):
        return x.op("Gather", x.builder.constant(np.asarray(indices, np.int64)), axis=axis)
    return np.take(x, indices, axis=axis)


def cut(x: Value, start: int, stop: int, axis: int) -> Value:
    """Return slices start..stop of an axis; a negative stop counts from the end."""
    if isinstance(x, Term):
        whole = x.builder.integers
        return x.op("Slice", whole(start), whole(stop), whole(axis))
    picks: list[slice] = [slice(None)] * x.ndim
    picks[axis] = slice(start, stop)
    return x[tuple(picks)]


def join(parts: Sequence[Value], axis: int) -> Value:
    """Concatenate along an axis."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    if isinstance(first, Term):
        return Term(first.builder, first.builder.op("Concat", *(p.name for p in parts), axis=axis))
    return np.concatenate(parts, axis=axis)


def reshape(x: Value, shape: tuple[int, ...]) -> Value:
    """Reshape; 0 keeps an axis (the batch axis comes first), and -1 takes the remaining values of a sample."""
    if isinstance(x, Term):
        return x.op("Reshape", x.builder.integers(*shape))
    kept = [x.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    if -1 in kept:
        # NumPy cannot infer -1 for an empty batch, so it is computed from the axes of one sample.
        rest = int(np.prod([size for size in kept[1:] if size != -1]))
        kept[kept.index(-1)] = int(np.prod(x.shape[1:])) // rest
    return x.reshape(kept)


def transpose(x: Value, order: tuple[int, ...]) -> Value:
    """Reorder the axes."""
    return x.op("Transpose", perm=order) if isinstance(x, Term) else np.transpose(x, order)


def _reduction(op: str, method: str) -> Callable[..., Value]:
    """Return a function of a value and an axis, which stays with length 1 where `keep` is given."""

    def reduce(x: Value, axis: int, *, keep: bool = False) -> Value:
        if isinstance(x, Term):
            return x.op(op, x.builder.integers(axis), keepdims=int(keep))
        return getattr(x, method)(axis=axis, keepdims=keep)

    return reduce


mean = _reduction("ReduceMean", "mean")
total = _reduction("ReduceSum", "sum")
largest = _reduction("ReduceMax", "max")
smallest = _reduction("ReduceMin", "min")


def level(x: Value, axis: int) -> Value:
    """Return the mean over an axis, which is kept; it is exact also for small differences on a large level.

    The mean of the remainders is added to the first mean, because float32 loses digits in a long sum.
    """
    once = mean(x, axis, keep=True)
    return once + mean(x - once, axis, keep=True)


def centre(x: Value, axis: int) -> Value:
    """Return a value minus its mean over an axis.

    The mean is subtracted twice: in float32, the first pass leaves an error of about 1e-7 of the mean, which matters
    if a signal is a small change on a large level (gravity, pressure); the second pass removes it.
    """
    once = x - mean(x, axis, keep=True)
    return once - mean(once, axis, keep=True)


def difference(x: Value, axis: int) -> Value:
    """Return the differences of neighbouring values; the axis becomes shorter by one."""
    return cut(x, 1, np.iinfo(np.int32).max, axis) - cut(x, 0, -1, axis)
