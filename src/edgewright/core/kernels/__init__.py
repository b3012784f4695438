"""Integer kernels in NumPy: the files of this folder are families, and each kernel is registered under its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.arithmetic import half_away
from edgewright.core.errors import Int8Error, UnknownNameError
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Node, Rounding

Int8 = NDArray[np.int8]
# int8 arrays of shape (n, *shape) -> one of them. It keeps nothing between calls, so threads may share it.
Function = Callable[..., Array]
# Of an operator that remembers: one array of shape (n, units) a part.
State = tuple[Array, ...]


@dataclass(frozen=True)
class Weights:
    """Constant weights of a node as they stand in the graph.

    Attributes:
        array: int8, or float32 in a float network.
        scale: float32, of shape () or (channels,); None in a float network.
        bias: int32 or float32, or None.
    """

    array: Array
    scale: Array | None
    bias: Array | None


@dataclass(frozen=True)
class Site:
    """A node with what stands around it.

    Attributes:
        node: of the graph.
        source: first input, channels last.
        graph_shape: of the first input in the graph, channels first, without the batch axis.
        graph_out: of the output in the graph.
        weights: of operators that have them.
        recurrent: weights of the state, of operators that have one.
        order: for a flattened input, the place in the graph's order of each of its features; None when equal.
        constants: inputs that are constants, by their number.
    """

    node: Node
    source: IntegerValue
    graph_shape: tuple[int, ...]
    graph_out: tuple[int, ...]
    weights: Weights | None = None
    recurrent: Weights | None = None
    order: NDArray[np.int64] | None = None
    constants: Mapping[int, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Recurrence:
    """An operator with a state, a sample at a time.

    Attributes:
        first: number of rows -> the state that stands for the real number 0.
        step: bytes of a sample (n, channels), state before it -> bytes that come out (n, units), state after it.
        remembered: bytes of the state of one row.
    """

    first: Callable[[int], State]
    step: Callable[[Array, State], tuple[Array, State]]
    remembered: int


@dataclass(frozen=True)
class Kernel:
    """A kind of integer operator.

    Attributes:
        build: (operator, inputs, output) -> the function of its input arrays, shape (n, *shape), with everything worked
            out once that does not change between calls.
        prepare: (operator, inputs, output, rounding) -> the operator with the multipliers, tables and clamps that the
            scales of its values ask for; None for kernels that need none.
        read: a node with what stands around it -> the operator without multipliers, and the shape of its output; None
            for kernels that no node becomes.
        onnx: operators that it comes from.
        recurrence: (operator, output) -> the operator a sample at a time, of kernels with a state.
    """

    build: Callable[[IntegerOperator, Sequence[IntegerValue], IntegerValue], Function]
    prepare: Callable[[IntegerOperator, Sequence[IntegerValue], IntegerValue, Rounding], IntegerOperator] | None = None
    read: Callable[[Site], tuple[IntegerOperator, tuple[int, ...]]] | None = None
    onnx: tuple[str, ...] = ()
    recurrence: Callable[[IntegerOperator, IntegerValue], Recurrence] | None = None


register = catalogue.Registry[Kernel](__name__)
"""Registers a kernel under its kind."""


def kernel(kind: str) -> Kernel:
    """Return the kernel of a kind.

    Raises:
        UnknownNameError: listing the known kinds.
    """
    if kind not in register.known:
        raise UnknownNameError("integer operator", kind, register.known)
    return register.known[kind]


@cache
def kinds() -> dict[str, str]:
    """Return the kind of each ONNX operator."""
    return {op: kind for kind, part in register.known.items() for op in part.onnx}


def read_node(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Return the operator of a node without its multipliers, and the shape of its output.

    Raises:
        UnknownNameError: for a node without an integer form.
        InputError: for attributes or inputs that its kernel cannot take.
    """
    read = kernel(kinds().get(site.node.op, site.node.op)).read
    assert read is not None  # noqa: S101 - a kernel that comes from an operator reads it
    return read(site)


def prepare(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the operator with the multipliers, tables and clamps that the scales of its values ask for."""
    work_out = kernel(operator.kind).prepare
    return operator if work_out is None else work_out(operator, inputs, output, rounding)


def extended(operator: IntegerOperator, *, single: bool = False, **arrays: Array) -> IntegerOperator:
    """Return the operator with more arrays, and whether its sums are rounded once (`numbers['single']`) or twice."""
    numbers = {**operator.numbers, "single": (int(single),)}
    return msgspec.structs.replace(operator, arrays={**operator.arrays, **arrays}, numbers=numbers)


def clamped(operator: IntegerOperator, output: IntegerValue) -> IntegerOperator:
    """Return the operator with the limits of its fused activation, rounded onto the grid of the output in float32."""
    low, high = -128, 127
    if operator.activation:
        low = max(low, output.zero)
    if operator.activation == "relu6":
        high = min(high, output.zero + int(half_away(np.float32(6.0) / np.float32(output.scale))))
    return msgspec.structs.replace(operator, low=low, high=high)


def finished(x: Any, operator: IntegerOperator, output: IntegerValue) -> Int8:  # noqa: ANN401 - integers
    """Add the output's zero point and clamps to bytes."""
    return np.asarray(np.clip(np.asarray(x) + output.zero, operator.low, operator.high), np.int8)


def same_grid(inputs: Sequence[IntegerValue], output: IntegerValue, kind: str) -> None:
    """Refuse an operator whose integers pass through although its scales differ.

    Raises:
        InputError: naming the kind and the scales.
    """
    for value in inputs:
        if (value.scale, value.zero) != (output.scale, output.zero):
            raise Int8Error(
                "one scale and zero point before and after",
                f"({value.scale:g}, {value.zero}) and ({output.scale:g}, {output.zero})",
                f"integer operator {kind}",
            )


def on_one_grid(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the `prepare` of operators that move or pick integers: nothing to work out, one grid before and after."""
    same_grid(inputs, output, operator.kind)
    return operator


def clamped_on_one_grid(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the `prepare` of pools: only the clamp of a fused activation, one grid before and after."""
    return clamped(on_one_grid(operator, inputs, output, rounding), output)


@dataclass(frozen=True)
class Sums:
    """What the sums of products of each output channel can be.

    Attributes:
        lowest, highest: smallest and largest, bias included.
        offset: bias less the weights times the zero point of the input: what is added to the sums of the bytes.
        dtype: the float type in which sums of bytes times weights are exact in any order; BLAS has both.
    """

    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    offset: NDArray[np.int64]
    dtype: type[np.float32] | type[np.float64]

    @property
    def furthest(self) -> NDArray[np.int64]:
        """How far from 0 they can be."""
        return np.maximum(np.abs(self.lowest), np.abs(self.highest))


def sums(operator: IntegerOperator, source: IntegerValue, axis: int) -> Sums:
    """Sum of products of an operator with weights.

    Args:
        operator: with weights.
        source: the input, any bytes.
        axis: of the output channels in the weights.

    Raises:
        InputError: naming the first channel where a partial sum could leave 32 bits.
    """
    rows = np.moveaxis(operator.arrays["weights"], axis, 0)
    rows = rows.reshape(len(rows), -1)
    total, size = rows.sum(axis=1, dtype=np.int64), np.abs(rows.astype(np.int16)).sum(axis=1, dtype=np.int64)
    bias = operator.arrays.get("bias", np.zeros(len(total), np.int32)).astype(np.int64)
    low, high = -128 - source.zero, 127 - source.zero
    furthest = size * max(-low, high) + np.abs(bias)
    beyond = np.flatnonzero(furthest >= 2**31)
    if len(beyond):
        raise Int8Error(
            "sums of products within 32 bits",
            f"up to {furthest[beyond[0]]} in output channel {beyond[0]}",
            f"integer operator {operator.kind}",
            "A channel whose weights are nearly zero has a large bias: raise its scale",
        )
    above, below = (size + total) // 2, (size - total) // 2
    return Sums(
        lowest=above * low - below * high + bias,
        highest=above * high - below * low + bias,
        offset=bias - source.zero * total,
        dtype=np.float32 if 128 * size.max(initial=0) < 2**24 else np.float64,
    )
