"""Convolutions, dense layers and pools: sums of products, rounded as LiteRT and TFLM round them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import exact_once, quantise_multiplier, twice
from edgewright.core.errors import Int8Error
from edgewright.core.kernels import (
    Function,
    Kernel,
    Site,
    clamped,
    clamped_on_one_grid,
    extended,
    finished,
    register,
    sums,
)
from edgewright.core.operators._attributes import geometry
from edgewright.core.records.network import Array, IntegerOperator, IntegerValue, Node, Rounding

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
        raise Int8Error("pools without ceil_mode", "ceil_mode = 1", f"operator {node.op}")
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


# Convolution: weights (filters, height, width, channels of the group); rounded twice by LiteRT and TFLM.


def _read_conv(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Conv of one or two axes; one group for each channel becomes the kind 'depthwise'.

    Raises:
        InputError: for weights that are no constant.
    """
    if site.weights is None:
        raise Int8Error("constant weights", "weights that are computed", "operator Conv")
    array = site.weights.array
    numbers, (rows, columns) = placement(site.node, tuple(array.shape[2:]), site.graph_shape[1:])
    groups = int(str(site.node.attributes.get("group", 1)))
    four = array if array.ndim == 4 else array[:, :, None, :]
    arrays: dict[str, Array] = {}
    if groups > 1 and groups == site.graph_shape[0]:
        kind, arrays["weights"] = "depthwise", np.ascontiguousarray(four[:, 0].transpose(1, 2, 0))
    else:
        kind, arrays["weights"] = "conv", np.ascontiguousarray(four.transpose(0, 2, 3, 1))
        numbers["groups"] = (groups,)
    if site.weights.bias is not None:
        arrays["bias"] = site.weights.bias
    if site.weights.scale is not None:
        arrays["weight_scale"] = np.atleast_1d(site.weights.scale)
    return IntegerOperator(kind=kind, inputs=(), output=-1, numbers=numbers, arrays=arrays), (
        rows,
        columns,
        len(array),
    )


def _with_multipliers(
    axis: int, operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """One multiplier a filter, from float64 products of the float32 scales; `axis` is that of the filters.

    The roundings have the same.

    Raises:
        InputError: for sums that leave 32 bits.
    """
    source = inputs[0]
    limits = sums(operator, source, axis)
    scale = np.broadcast_to(operator.arrays["weight_scale"].astype(np.float32).astype(np.float64), limits.lowest.shape)
    factors = np.float64(np.float32(source.scale)) * scale / np.float64(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(factors)
    if (limits.furthest << np.maximum(shift, 0)).max() >= 2**31:
        raise Int8Error("sums within 32 bits after the shift to the left", f"shift {shift.max()}", operator.kind)
    return extended(clamped(operator, output), multiplier=multiplier, shift=shift)


def _build_conv(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    weights, groups, zero = operator.arrays["weights"], operator.numbers["groups"][0], inputs[0].zero
    size, width = len(weights) // groups, weights.shape[3]
    limits = sums(operator, inputs[0], 0)
    filters = np.ascontiguousarray(weights.reshape(len(weights), -1).T, limits.dtype)
    finish = rounded_twice(operator, output, limits.offset, limits.furthest)

    def run(x: Array) -> Array:
        seen = windows(operator, padded(operator, x, zero, limits.dtype))
        shape = seen.shape[:3]
        if groups == 1:
            return finish(seen.reshape(-1, len(filters)) @ filters).reshape(*shape, len(weights))
        summed = np.empty((int(np.prod(shape)), len(weights)), limits.dtype)
        for first in range(groups):
            columns = seen[..., first * width : (first + 1) * width].reshape(-1, len(filters))
            own = slice(first * size, (first + 1) * size)
            summed[:, own] = columns @ filters[:, own]
        return finish(summed).reshape(*shape, len(weights))

    return run


register("conv")(Kernel(_build_conv, prepare=partial(_with_multipliers, 0), read=_read_conv, onnx=("Conv",)))


# Depthwise convolution: weights (height, width, filters), filters // channels for each channel; rounded twice.


def _build_depthwise(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, filters); padding stands for the real number 0."""
    zero, channels, filters = inputs[0].zero, inputs[0].shape[2], operator.arrays["weights"].shape[2]
    limits = sums(operator, inputs[0], 2)
    weights = operator.arrays["weights"].astype(limits.dtype)
    finish = rounded_twice(operator, output, limits.offset, limits.furthest)

    # A row of the image beside a row of weights: NumPy's inner loop is then longer than the channels.
    usual = np.tile(weights, output.shape[1])

    def run(x: Array) -> Array:
        x = padded(
            operator, x if filters == channels else np.repeat(x, filters // channels, axis=3), zero, limits.dtype
        )
        rows, columns = spans(operator, x)
        wide = usual if columns == output.shape[1] else np.tile(weights, columns)
        wide = wide.reshape(*weights.shape[:2], columns, filters)
        summed = np.zeros((len(x), rows, columns, filters), limits.dtype)
        product = np.empty_like(summed)
        for position, tap in taps(operator, x):
            np.multiply(tap, wide[position], out=product)
            summed += product
        return finish(summed)

    return run


register("depthwise")(Kernel(_build_depthwise, prepare=partial(_with_multipliers, 2)))


def _read_dense(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """Gemm; its weights are put into the order of the input's features.

    Raises:
        InputError: for a Gemm with factors or a transposed input.
    """
    node, weights = site.node, site.weights
    plain = all(node.attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
    if weights is None or not plain or node.attributes.get("transA", 0):
        raise Int8Error("a Gemm with constant weights and without factors", str(node.attributes), "operator Gemm")
    rows = weights.array if node.attributes.get("transB", 0) else weights.array.T
    if site.order is not None:
        rows = rows[:, site.order]
    arrays = {"weights": np.ascontiguousarray(rows)}
    if weights.bias is not None:
        arrays["bias"] = np.asarray(weights.bias).reshape(-1)
    if weights.scale is not None:
        arrays["weight_scale"] = np.atleast_1d(weights.scale)
    return IntegerOperator(kind="dense", inputs=(), output=-1, arrays=arrays), (len(rows),)


def _prepare_dense(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Multipliers: exact for LiteRT's float64 factor; for TFLM from float64, of a float32 product when one scale."""
    prepared, scale = clamped(operator, output), operator.arrays["weight_scale"].astype(np.float32)
    limits = sums(operator, inputs[0], 0)
    source, target = np.float64(np.float32(inputs[0].scale)), np.float64(np.float32(output.scale))
    if rounding == "litert":
        factors = np.broadcast_to(source * scale.astype(np.float64) / target, limits.lowest.shape)
        multiplier, shift = exact_once(
            factors, limits.lowest, limits.highest, prepared.low - output.zero, prepared.high - output.zero
        )
    elif scale.size > 1:
        multiplier, shift = quantise_multiplier(source * scale.astype(np.float64) / target)
    else:
        product = np.float64(np.float32(inputs[0].scale) * scale[0])
        multiplier, shift = quantise_multiplier(product / target)
    return extended(prepared, single=rounding == "litert", multiplier=multiplier, shift=shift)


def _build_dense(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, inputs) -> (n, outputs)."""
    weights = operator.arrays["weights"]
    limits = sums(operator, inputs[0], 0)
    columns = np.ascontiguousarray(weights.T, limits.dtype)
    if operator.numbers["single"][0]:
        finish = rounded_once(operator, output, limits.offset)
    else:
        finish = rounded_twice(operator, output, limits.offset, limits.furthest)
    return lambda x: finish(x.astype(limits.dtype) @ columns)


register("dense")(Kernel(_build_dense, prepare=_prepare_dense, read=_read_dense, onnx=("Gemm",)))


# Mean of the integers under the kernel, padding not counted, halves rounded away from zero; the scale stays.


def _read_average_pool(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """AveragePool of one or two axes.

    Raises:
        InputError: when padding counts.
    """
    kernel = site.node.attributes["kernel_shape"]
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), site.graph_shape[1:])  # type: ignore[union-attr]
    if site.node.attributes.get("count_include_pad", 0) and any(numbers["pads"]):
        raise Int8Error("a pool whose padding does not count", "count_include_pad = 1", "operator AveragePool")
    return IntegerOperator(kind="average_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


def _build_average_pool(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, c). The zero point is within the integers and is not taken off."""
    low, high = operator.low, operator.high

    def under(x: Array) -> Array:
        parts = [tap for _, tap in taps(operator, padded(operator, x, 0, np.int32))]
        return functools.reduce(np.add, parts)

    count = under(np.ones((1, *inputs[0].shape), np.int32))

    def run(x: Array) -> Array:
        total = under(x)
        # A quotient of such small integers never rounds up to the next whole number.
        mean = (total + np.copysign(count // 2, total)) / count
        return np.asarray(np.trunc(mean).clip(low, high), np.int8)

    return run


register("average_pool")(
    Kernel(_build_average_pool, prepare=clamped_on_one_grid, read=_read_average_pool, onnx=("AveragePool",))
)


# Largest integer under the kernel; padding never wins; the scale stays.


def _read_max_pool(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """MaxPool, or GlobalMaxPool as a kernel over everything."""
    whole = site.graph_shape[1:]
    kernel = site.node.attributes.get("kernel_shape", whole)
    numbers, places = placement(site.node, tuple(int(k) for k in kernel), whole)  # type: ignore[union-attr]
    return IntegerOperator(kind="max_pool", inputs=(), output=-1, numbers=numbers), (*places, site.graph_shape[0])


def _build_max_pool(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, rows, columns, c)."""
    low, high = operator.low, operator.high

    def run(x: Array) -> Array:
        under = taps(operator, padded(operator, x, -128))
        largest = next(under)[1].copy()
        for _, tap in under:
            np.maximum(largest, tap, out=largest)
        return largest if (low, high) == (-128, 127) else largest.clip(low, high)

    return run


register("max_pool")(
    Kernel(_build_max_pool, prepare=clamped_on_one_grid, read=_read_max_pool, onnx=("MaxPool", "GlobalMaxPool"))
)


# Mean over height and width with a scale of its own: one over the count goes into the multiplier, rounded twice.


def _read_mean(site: Site) -> tuple[IntegerOperator, tuple[int, ...]]:
    """GlobalAveragePool; height and width of 1 stay."""
    return IntegerOperator(kind="mean", inputs=(), output=-1), (1, 1, site.graph_shape[0])


def _prepare_mean(
    operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue, rounding: Rounding
) -> IntegerOperator:
    """Return the scales' ratio as a multiplier, shifted up before the whole-number division by the count."""
    count = inputs[0].shape[0] * inputs[0].shape[1]
    multiplier, shift = quantise_multiplier(
        np.float64(np.float32(inputs[0].scale)) / np.float64(np.float32(output.scale))
    )
    power = min(count.bit_length() - 1, 32, 31 + int(shift[0]))
    return extended(operator, multiplier=(multiplier << power) // count, shift=shift - power)


def _build_mean(operator: IntegerOperator, inputs: Sequence[IntegerValue], output: IntegerValue) -> Function:
    """(n, h, w, c) -> (n, 1, 1, c)."""
    count = inputs[0].shape[0] * inputs[0].shape[1]
    finish = rounded_twice(operator, output, -inputs[0].zero * count, 255 * count)
    return lambda x: finish(x.sum(axis=(1, 2), dtype=np.int32, keepdims=True))


register("mean")(Kernel(_build_mean, prepare=_prepare_mean, read=_read_mean, onnx=("GlobalAveragePool",)))
