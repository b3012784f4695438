"""Operators that move values or look at windows, and recurrent and quantising operators, in NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewright.core.errors import OnnxError
from edgewright.core.operators import Function, operator, plain, where
from edgewright.core.operators._attributes import (
    Geometry,
    constant_integers,
    geometry,
    given,
    integer,
    integers,
    padded,
    text,
)
from edgewright.core.operators.elementwise import sigmoid
from edgewright.core.records.network import Array, Node


@operator("GatherElements")
def gather_elements(node: Node, constants: Sequence[Array | None]) -> Function:
    """One value along the axis for each entry of the indices, all other axes in step; negative ones from the end."""
    axis = integer(node, "axis", 0)
    return lambda x, indices: np.asarray(np.take_along_axis(x, indices, axis))


operator("Identity")(plain(lambda x: x))


@operator("Shape")
def shape_of(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the lengths of the axes from `start` to `end`."""
    start, end = integer(node, "start", 0), node.attributes.get("end")
    stop = end if isinstance(end, int) else None
    return lambda x: np.asarray(x.shape[start:stop], np.int64)


@operator("Concat")
def concat(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return arrays one after the other along an axis."""
    axis = integer(node, "axis", 0)
    return lambda *values: np.concatenate(values, axis)


@operator("Gather")
def gather(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return entries by index along an axis; negative indices count from the end."""
    axis = integer(node, "axis", 0)
    return lambda x, indices: np.asarray(x.take(indices, axis))


@operator("Slice")
def slice_(node: Node, constants: Sequence[Array | None]) -> Function:
    """start:end:step along each of the axes; ends beyond the array are cut to it."""
    starts = constant_integers(node, constants, 1, "starts") or ()
    ends = constant_integers(node, constants, 2, "ends") or ()
    axes = constant_integers(node, constants, 3, "axes") or tuple(range(len(starts)))
    steps = constant_integers(node, constants, 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise OnnxError(
            "as many starts as ends, axes and steps",
            ", ".join(map(str, map(len, (starts, ends, axes, steps)))),
            where(node),
        )
    cuts = []
    for start, end, step in zip(starts, ends, steps, strict=True):
        # ONNX writes "from the end on, backwards to the beginning" with a very negative end; Python with None.
        stop = None if step < 0 and end < -(2**31) else end
        cuts.append(slice(start, stop, step))

    def run(x: Array, *_: Array | None) -> Array:
        location: list[slice] = [slice(None)] * x.ndim
        for axis, cut in zip(axes, cuts, strict=True):
            location[axis] = cut
        return np.asarray(x[tuple(location)])

    return run


@operator("Reshape")
def reshape(node: Node, constants: Sequence[Array | None]) -> Function:
    """Another shape; 0 keeps the length of that axis (unless `allowzero`), -1 takes what is left."""
    keeps = not integer(node, "allowzero", 0)

    def to(x: Array, shape: tuple[int, ...]) -> Array:
        if keeps and 0 in shape:
            shape = tuple(x.shape[i] if length == 0 else length for i, length in enumerate(shape))
        return np.asarray(x.reshape(shape))

    fixed = constants[1]
    if fixed is None:
        return lambda x, shape: to(x, tuple(shape.tolist()))
    target: tuple[int, ...] = tuple(fixed.ravel().tolist())
    return lambda x, _shape: to(x, target)


@operator("Flatten")
def flatten(node: Node, constants: Sequence[Array | None]) -> Function:
    """Two axes: those before `axis` and those from it on."""
    axis = integer(node, "axis", 1)

    def run(x: Array) -> Array:
        rows = math.prod(x.shape[: axis if axis >= 0 else x.ndim + axis])
        return np.asarray(x.reshape(rows, x.size // rows if rows else 0))

    return run


@operator("Transpose")
def transpose(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return axes in another order, the reverse one by default."""
    order = integers(node, "perm")
    return lambda x: np.asarray(x.transpose(order))


@operator("Squeeze")
def squeeze(node: Node, constants: Sequence[Array | None]) -> Function:
    """Without the axes of length 1."""
    axes = constant_integers(node, constants, 1, "axes")
    return lambda x, _axes=None: np.squeeze(x, axes)


@operator("Unsqueeze")
def unsqueeze(node: Node, constants: Sequence[Array | None]) -> Function:
    """With new axes of length 1."""
    axes = constant_integers(node, constants, 1, "axes") or ()
    return lambda x, _axes=None: np.expand_dims(x, axes)


@operator("Expand")
def expand(node: Node, constants: Sequence[Array | None]) -> Function:
    """Repeated to the shape both broadcast to."""
    return lambda x, shape: np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(shape.tolist())))


@operator("Pad")
def pad(node: Node, constants: Sequence[Array | None]) -> Function:
    """More values at the ends of the axes: a constant, the edge, or the reflection."""
    mode = text(node, "mode", "constant")
    widths = constant_integers(node, constants, 1, "pads") or ()
    axes = constant_integers(node, constants, 3)
    if mode not in ("constant", "edge", "reflect") or len(widths) % 2 or any(w < 0 for w in widths):
        raise OnnxError("mode constant, edge or reflect and two widths an axis", f"{mode} {widths}", where(node))
    half = len(widths) // 2
    filled = given(node, 2)

    def run(x: Array, _pads: Array, value: Array | None = None, _axes: Array | None = None) -> Array:
        around = [(0, 0)] * x.ndim
        for i, axis in enumerate(axes if axes is not None else range(half)):
            around[axis] = (widths[i], widths[half + i])
        if mode == "edge":
            return np.pad(x, around, mode="edge")
        if mode == "reflect":
            return np.pad(x, around, mode="reflect")
        fill = value.reshape(()) if filled and value is not None else x.dtype.type(0)
        return np.pad(x, around, constant_values=fill)

    return run


# Windows are copied side by side for one matrix product; a batch is taken in parts of about this many values (16 MB).
_COLUMNS = 1 << 22


@operator("Conv")
def conv(node: Node, constants: Sequence[Array | None]) -> Function:
    """y[n, m] = bias[m] + sum over c, k of x[n, c, position * stride + k * dilation] * w[m, c, k]."""
    weights = constants[1]
    kernel = integers(node, "kernel_shape") or (() if weights is None else weights.shape[2:])
    groups = integer(node, "group", 1)
    if not 1 <= len(kernel) <= 2 or groups < 1:
        raise OnnxError("a kernel of one or two axes and at least one group", f"{kernel}, {groups}", where(node))
    plan = geometry(node, tuple(kernel))

    def run(x: Array, w: Array, bias: Array | None = None) -> Array:
        if w.shape[1] * groups != x.shape[1] or w.shape[0] % groups:
            raise OnnxError(f"{w.shape[1] * groups} channels", str(x.shape[1]), where(node))
        x = padded(x, plan.padding(x.shape[2:]), 0)
        y = _depthwise(x, w, plan) if groups == len(w) == x.shape[1] else _grouped(x, w, plan, groups)
        if bias is not None:
            y += bias.reshape(-1, *(1,) * len(kernel))
        return y

    return run


def _depthwise(x: Array, w: Array, plan: Geometry) -> Array:
    """One filter a channel: shifted multiply-adds, a tenth of the time of one small matrix product a channel."""
    windows = plan.windows(x)
    rank = len(plan.kernel)
    y = np.zeros(windows.shape[: 2 + rank], x.dtype)
    # Kernel axes first, so that one index picks a tap of every window and of every filter.
    taps = np.moveaxis(windows, range(2 + rank, 2 + 2 * rank), range(rank))
    filters = np.moveaxis(w[:, 0], range(1, 1 + rank), range(rank))
    for position in itertools.product(*(range(k) for k in plan.kernel)):
        y += taps[position] * filters[position].reshape(-1, *(1,) * rank)
    return y


def _grouped(x: Array, w: Array, plan: Geometry, groups: int) -> Array:
    rank, size = len(plan.kernel), len(w) // groups
    windows = plan.windows(x)
    positions = windows.shape[2 : 2 + rank]
    y = np.empty((len(x), len(w), *positions), x.dtype)
    part = max(1, _COLUMNS // max(1, math.prod(windows.shape[1:])))
    # (n, positions, channels of the group, kernel): a row of the product's left side is one window.
    order = (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank))
    wide = w.reshape(len(w), -1).T
    for first in range(0, len(x), part):
        few = windows[first : first + part]
        for group in range(groups):
            channels = slice(group * w.shape[1], (group + 1) * w.shape[1])
            filters = slice(group * size, (group + 1) * size)
            columns = few[:, channels].transpose(order).reshape(-1, wide.shape[0])
            product = (columns @ wide[:, filters]).reshape(len(few), *positions, size)
            y[first : first + part, filters] = np.moveaxis(product, -1, 1)
    return y


def _plan(node: Node) -> Geometry:
    kernel = integers(node, "kernel_shape")
    if not kernel or len(kernel) > 2:
        raise OnnxError("a kernel of one or two axes", str(kernel), where(node))
    return geometry(node, kernel)


def _spread(plan: Geometry, x: Array, fill: float, beyond_fill: float) -> Array:
    x_shape = x.shape[2:]
    wide = padded(x, plan.padding(x_shape), fill)
    return padded(wide, [(0, more) for more in plan.overhang(x_shape)], beyond_fill)


@operator("MaxPool")
def max_pool(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the largest value under the kernel; padding never wins."""
    plan = _plan(node)
    last = tuple(range(-len(plan.kernel), 0))

    def run(x: Array) -> Array:
        smallest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        return np.asarray(plan.windows(_spread(plan, x, smallest, smallest)).max(last))

    return run


@operator("AveragePool")
def average_pool(node: Node, constants: Sequence[Array | None]) -> Function:
    """Return the mean under the kernel: of the values there, or with `count_include_pad` of the padding too."""
    plan, counted = _plan(node), float(integer(node, "count_include_pad", 0))
    last = tuple(range(-len(plan.kernel), 0))
    even = plan.pads is not None and not any(sum(ends) for ends in plan.pads) and not plan.ceil

    def run(x: Array) -> Array:
        if even:
            return np.asarray(plan.windows(x).mean(last))
        mask = np.ones((1, 1, *x.shape[2:]), x.dtype)
        total = plan.windows(_spread(plan, x, 0, 0)).sum(last)
        return np.asarray(total / plan.windows(_spread(plan, mask, counted, 0)).sum(last))

    return run


operator("GlobalAveragePool")(plain(lambda x: np.asarray(x.mean(tuple(range(2, x.ndim)), keepdims=True))))
operator("GlobalMaxPool")(plain(lambda x: np.asarray(x.max(tuple(range(2, x.ndim)), keepdims=True))))


# (inputs of the gates of a step, recurrent weights, their bias, states) -> states; the first is what comes out.
Step = Callable[[Array, Array, Array, tuple[Array, ...]], tuple[Array, ...]]
WINDOW = "window"
LAST, SEQUENCE = "last", "sequence"
# What finding ranges looks at: the cells of an LSTM after every sample.
CELL = "cell"
# Inputs from the fifth on: lengths of sequences, first states, peepholes.
_PLAIN_INPUTS = 4


def refusal(node: Node) -> str:
    """Say what of a node is beyond one direction, first states of 0 and the usual activations; empty where nothing."""
    attributes = node.attributes
    if text(node, "direction", "forward") != "forward":
        return f"direction {attributes['direction']!r}"
    if "clip" in attributes or "activations" in attributes or integer(node, "input_forget", 0):
        return "clip, input_forget or other activations"
    if integer(node, "layout", 0):
        return "layout = 1"
    if any(name for index, name in enumerate(node.inputs) if index >= _PLAIN_INPUTS):
        return "lengths of sequences, first states or peepholes"
    return ""


def _lstm(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    hidden, cell = states
    units = hidden.shape[1]
    gates = coming + hidden @ recurrent + bias
    opened, shown, kept = (sigmoid(gates[:, n * units : (n + 1) * units]) for n in range(3))
    cell = kept * cell + opened * np.tanh(gates[:, 3 * units :])
    return shown * np.tanh(cell), cell


def _gru(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    (hidden,) = states
    units = hidden.shape[1]
    own = hidden @ recurrent + bias
    kept, seen = (sigmoid((coming + own)[:, n * units : (n + 1) * units]) for n in range(2))
    fresh = np.tanh(coming[:, 2 * units :] + seen * own[:, 2 * units :])
    return (fresh + kept * (hidden - fresh),)


def _gru_before(coming: Array, recurrent: Array, bias: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
    (hidden,) = states
    units = hidden.shape[1]
    both = coming[:, : 2 * units] + hidden @ recurrent[:, : 2 * units] + bias[: 2 * units]
    kept, seen = (sigmoid(both[:, n * units : (n + 1) * units]) for n in range(2))
    own = (seen * hidden) @ recurrent[:, 2 * units :] + bias[2 * units :]
    fresh = np.tanh(coming[:, 2 * units :] + own)
    return (fresh + kept * (hidden - fresh),)


# By `linear_before_reset`: 1 where the reset comes after the product with the state, as PyTorch and Keras have it, 0
# where before, as of old.
GRU_STEPS: dict[int, Step] = {1: _gru, 0: _gru_before}


def _factory(step: Step, count: int, node: Node) -> Function:
    reason = refusal(node)
    if reason:
        raise OnnxError(f"{node.op} forward in time, from a state of 0", reason, where(node))
    window = text(node, WINDOW, "")
    first = 1 if not node.outputs[0] else 0

    def run(x: Array, weights: Array, recurrent: Array, bias: Array | None = None, *_: Array | None) -> Array:
        x = x.transpose(2, 0, 1) if window else x
        units, gates = recurrent.shape[2], weights.shape[1]
        late = np.zeros(2 * gates, x.dtype) if bias is None else bias[0]
        coming = x @ weights[0].T + late[:gates]
        turned = np.ascontiguousarray(recurrent[0].T)
        states: tuple[Array, ...] = tuple(np.zeros((x.shape[1], units), x.dtype) for _ in range(count))
        every = np.empty((len(x), x.shape[1], units), x.dtype)
        for index, gate in enumerate(coming):
            states = step(gate, turned, late[gates:], states)
            every[index] = states[-1 if window == CELL else 0]
        if window:
            return np.ascontiguousarray(every.transpose(1, 2, 0)) if window != LAST else states[0]
        return states[0][None] if first else every[:, None]

    return run


@operator("LSTM")
def lstm(node: Node, constants: Sequence[Array | None]) -> Function:
    """i, o, f = sigmoid(W x + R h + b), c = f c + i tanh(Wc x + Rc h + bc), h = o tanh(c)."""
    return _factory(_lstm, 2, node)


@operator("GRU")
def gru(node: Node, constants: Sequence[Array | None]) -> Function:
    """z, r = sigmoid(W x + R h + b), n = tanh(Wn x + bn + r (Rn h + cn)), h = (1 - z) n + z h.

    Without `linear_before_reset`, n = tanh(Wn x + bn + Rn (r h) + cn).
    """
    return _factory(GRU_STEPS[integer(node, "linear_before_reset", 0)], 1, node)


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
        raise OnnxError(f"one of the types {known}", str(to), where(node))
    dtype = DTYPES[to]
    return lambda x: np.asarray(x).astype(dtype)


def _extreme(name: str) -> Callable[[Node, Sequence[Array | None]], Function]:
    def factory(node: Node, constants: Sequence[Array | None]) -> Function:
        axis, keep = integer(node, "axis", 0), bool(integer(node, "keepdims", 1))
        last = bool(integer(node, "select_last_index", 0))
        # The method of the array: np.argmax looks for that method again at each call.
        flat = getattr(np.ndarray, name)

        def run(x: Array) -> Array:
            if not last:
                return np.asarray(flat(x, axis, None, keepdims=keep))
            return np.asarray(x.shape[axis] - 1 - flat(np.flip(x, axis), axis, None, keepdims=keep))

        return run

    return factory


operator("ArgMax")(_extreme("argmax"))
operator("ArgMin")(_extreme("argmin"))


def _along(parameter: Array, axis: int, rank: int) -> Array:
    """Return a scale or zero point as it broadcasts over an array: one value, or one for each entry of `axis`."""
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
        raise OnnxError("an integer type", str(to), where(node))
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
