"""Where kernels of convolution and pooling stand, and from sums to bytes: `requantise` with its constants folded in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic.requantise import twice
from edgewright.core.kernels import finished
from edgewright.core.operators._attributes import geometry
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array, Node
from edgewright.schema.integer import IntegerOperator, IntegerValue

Finish = Callable[[Array], NDArray[np.int8]]
# A product by multiplier / 2**31 is a multiple of 2**-31: below this it is exact in float64.
_EXACT = 2.0**22
# Further down than this, what is beyond it need not be beyond every byte.
_DOWN = 12


def rounded_twice(operator: IntegerOperator, output: IntegerValue, offset: Any, furthest: Any) -> Finish:  # noqa: ANN401
    """Give a function from sums, shape (..., channels), to bytes: rounded at the product and again at the shift.

    In float64, exactly: the product is below 2**22, or it is beyond every byte after a shift of at most 12. The second
    rounding takes halves away from zero: a factor of 1 + 2**-(shift + 10) moves exact halves across, and nothing else,
    because quotients are multiples of 2**-shift.

    Args:
        operator: with `multiplier`, `shift`, and its clamp.
        output: whose zero point is added.
        offset: integers that are added to the sums first, shape (channels,) or ().
        furthest: no sum with its offset is larger, nor its negative smaller; shape (channels,) or ().
    """
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    first = np.ldexp(multiplier.astype(np.float64), np.maximum(shift, 0) - 31)
    down = np.maximum(-shift, 0)
    if np.any((furthest * first >= _EXACT) & (down > _DOWN)):
        return lambda sums: finished(twice(sums.astype(np.int64) + offset, multiplier, shift), operator, output)
    second = np.ldexp(1.0 + np.ldexp(1.0, -down - 10), -down)
    bias, last = np.asarray(offset, np.float64), 0.5 + output.zero - operator.low
    top, low = float(operator.high - operator.low), np.uint8(operator.low & 255)

    def finish(sums: Array) -> NDArray[np.int8]:
        real = np.add(sums, bias, dtype=np.float64)
        real *= first
        real += 0.5
        np.floor(real, out=real)
        real *= second
        real += last
        real.clip(0.0, top, out=real)
        # What is left is positive: the conversion cuts it down as `floor` would.
        rounded = real.astype(np.uint8)
        rounded += low
        return rounded.view(np.int8)

    return finish


def rounded_once(operator: IntegerOperator, output: IntegerValue, offset: Any) -> Finish:  # noqa: ANN401 - integers
    """Return the same, rounded once with halves away from zero; products of 62 bits are integers throughout."""
    multiplier, shift = operator.arrays["multiplier"], operator.arrays["shift"]
    half = np.int64(1) << (shift - 1)
    # Products may wrap around where the offset takes them back: in sum they fit.
    constant = np.asarray(offset, np.int64) * multiplier + half
    negative = operator.low < output.zero
    low, high = operator.low - output.zero, operator.high - output.zero

    def finish(sums: Array) -> NDArray[np.int8]:
        whole = sums.astype(np.int64)
        whole *= multiplier
        whole += constant
        if negative:
            whole -= whole < half
        whole >>= shift
        whole.clip(low, high, out=whole)
        whole += output.zero
        return whole.astype(np.int8)

    return finish


def byte_table(results: Array) -> Callable[[Array], NDArray[np.int8]]:
    """Return a function of bytes that looks up; `results` are for -128, -127, ..., 127."""
    table = np.roll(np.asarray(results, np.int8), -128)
    return lambda x: np.take(table, np.ascontiguousarray(x).view(np.uint8))


Numbers = dict[str, tuple[int, ...]]


def placement(node: Node, kernel: tuple[int, ...], spatial: tuple[int, ...]) -> tuple[Numbers, tuple[int, int]]:
    """Kernel, strides, dilations and pads (top, left, bottom, right) in two axes, and places along them.

    One axis becomes a height of 1.

    Raises:
        InputError: for a pool that counts places beyond its padding.
    """
    plan = geometry(node, kernel)
    if plan.ceil:
        raise InputError("pools without ceil_mode", "ceil_mode = 1", f"operator {node.op}")
    around = plan.padding(spatial)
    spans = [
        (length + sum(ends) - (k - 1) * d - 1) // s + 1
        for length, ends, k, d, s in zip(spatial, around, kernel, plan.dilations, plan.strides, strict=True)
    ]

    def two(numbers: tuple[int, ...], fill: int) -> tuple[int, ...]:
        return (fill, *numbers) if len(numbers) == 1 else tuple(numbers)

    before, after = two(tuple(a for a, _ in around), 0), two(tuple(b for _, b in around), 0)
    numbers = {
        "kernel": two(kernel, 1),
        "strides": two(plan.strides, 1),
        "dilations": two(plan.dilations, 1),
        "pads": (*before, *after),
    }
    rows, columns = two(tuple(spans), 1)
    return numbers, (rows, columns)


def padded(operator: IntegerOperator, x: Array, fill: int, dtype: Any = np.int8) -> Array:  # noqa: ANN401 - a NumPy type
    """(n, h, w, c) -> contiguous array of another type with `fill` around height and width."""
    top, left, bottom, right = operator.numbers["pads"]
    n, height, width, channels = x.shape
    if not top + left + bottom + right:
        return np.ascontiguousarray(x, dtype)
    out = np.empty((n, top + height + bottom, left + width + right, channels), dtype)
    # The frame alone: most of the array is written once.
    out[:, :top], out[:, top + height :], out[:, :, :left], out[:, :, left + width :] = fill, fill, fill, fill
    out[:, top : top + height, left : left + width] = x
    return out


def spans(operator: IntegerOperator, x: Array) -> tuple[int, int]:
    """How often a kernel stands along height and width of a padded array."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    return (x.shape[1] - (kh - 1) * dh - 1) // sh + 1, (x.shape[2] - (kw - 1) * dw - 1) // sw + 1


def windows(operator: IntegerOperator, x: Array) -> Array:
    """Return padded, contiguous (n, h, w, c) as a view (n, rows, columns, kernel h, kernel w, c)."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    rows, columns = spans(operator, x)
    n, down, right, step = x.strides
    shape = (len(x), rows, columns, kh, kw, x.shape[3])
    # `sliding_window_view` takes longer than a small convolution.
    return np.ndarray(shape, x.dtype, x, 0, (n, down * sh, right * sw, down * dh, right * dw, step))


def taps(operator: IntegerOperator, x: Array) -> Iterator[tuple[tuple[int, int], Array]]:
    """Places of the kernel, and what stands under each in every window of a padded array: (n, rows, columns, c)."""
    (kh, kw), (sh, sw), (dh, dw) = _placed(operator)
    rows, columns = spans(operator, x)
    for i, j in itertools.product(range(kh), range(kw)):
        down, right = i * dh, j * dw
        yield (i, j), x[:, down : down + (rows - 1) * sh + 1 : sh, right : right + (columns - 1) * sw + 1 : sw]


def _placed(operator: IntegerOperator) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    numbers = operator.numbers
    return numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
