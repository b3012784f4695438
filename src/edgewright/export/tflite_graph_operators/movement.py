"""Operators of float graphs that move values, windows, and GRU in .tflite."""

from __future__ import annotations

import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core import kernels
from edgewright.core.errors import ExportError, InputError
from edgewright.core.operators._attributes import constant_integers, integer, integers, number, text
from edgewright.core.operators.shape import SEQUENCE, WINDOW
from edgewright.core.records.network import Array, IntegerValue
from edgewright.export import tflite_operators
from edgewright.export.tflite_graph_operators import Shape, Site, plain, reshaped, says

# kMaxInputNum of tensorflow/lite/micro/kernels/concatenation.cc.
_MOST_JOINED = 10


@says("Identity")
def identity(site: Site) -> None:
    """Nothing."""
    site.finish(site.tensor())


@says("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(site: Site) -> None:
    """RESHAPE; nothing where the shape stays."""
    site.finish(reshaped(site, site.tensor(), site.source().shape))


@says("Transpose")
def transpose(site: Site) -> None:
    """TRANSPOSE."""
    order = integers(site.node, "perm") or tuple(range(len(site.shape)))[::-1]
    site.finish(site.step("TRANSPOSE", site.tensor(), site.numbers(*order)))


@says("Concat")
def concat(site: Site) -> None:
    """CONCATENATION, of at most ten values each, which is what TFLM takes."""
    axis = integer(site.node, "axis", 0) % len(site.shape)
    site.finish(
        joined(site, axis, [(site.tensor(i), site.source(i).shape[axis]) for i in range(len(site.node.inputs))])
    )


def joined(site: Site, axis: int, parts: list[tuple[int, int]]) -> int:
    """Return tensors, each with its length along the axis, one after the other; else they are of the output's shape."""
    while len(parts) > 1:
        parts = [_joined(site, axis, parts[i : i + _MOST_JOINED]) for i in range(0, len(parts), _MOST_JOINED)]
    return parts[0][0]


def _joined(site: Site, axis: int, parts: list[tuple[int, int]]) -> tuple[int, int]:
    """One tensor and its length along the axis, of several."""
    if len(parts) == 1:
        return parts[0]
    length = sum(count for _, count in parts)
    shape = tuple(length if i == axis else n for i, n in enumerate(site.shape))
    return site.step("CONCATENATION", *(tensor for tensor, _ in parts), shape=shape, axis=axis), length


@says("Gather")
def gather(site: Site) -> None:
    """GATHER; constant places that count from the end are counted from the beginning."""
    axis = integer(site.node, "axis", 0) % site.source().ndim
    site.finish(
        _gathered(site, axis, site.tensor(1) if site.fixed(1) is None else site.builder.constant(_counted(site, axis)))
    )


@says("GatherElements")
def gather_elements(site: Site) -> None:
    """GATHER, where every other axis has length 1."""
    axis = integer(site.node, "axis", 0) % site.source().ndim
    others = [n for array in (site.source(0), site.source(1)) for i, n in enumerate(array.shape) if i != axis]
    if any(length != 1 for length in others):
        raise ExportError("one row of values to choose from", f"shape {site.source().shape}", site.where)
    count = site.source(1).size
    if site.fixed(1) is not None:
        places = site.builder.constant(_counted(site, axis).reshape(-1))
    else:
        numbers = (site.tensor(1), site.numbers(count))
        places = site.step("RESHAPE", *numbers, shape=(count,), kind="int32", newShape=[count])
    site.finish(_gathered(site, axis, places))


@says("Slice")
def cut(site: Site) -> None:
    """SLICE, or STRIDED_SLICE where values are left out between, or GATHER of every axis where one goes backwards."""
    constants = [site.constants.get(name) for name in site.node.inputs]
    starts, ends = (constant_integers(site.node, constants, i, n) or () for i, n in ((1, "starts"), (2, "ends")))
    axes = constant_integers(site.node, constants, 3, "axes") or tuple(range(len(starts)))
    steps = constant_integers(site.node, constants, 4) or (1,) * len(starts)
    shape = site.source().shape
    begin, end, stride = [0] * len(shape), list(shape), [1] * len(shape)
    for start, stop, axis, step in zip(starts, ends, axes, steps, strict=True):
        # As the operator has it: backwards to the beginning is said by a very negative end.
        until = None if step < 0 and stop < -(2**31) else stop
        begin[axis], end[axis], stride[axis] = slice(start, until, step).indices(shape[axis])
    if 0 in site.shape:
        raise ExportError("a slice that holds values", f"shape {site.shape}", site.where)
    if min(stride) < 0:
        value, now = site.tensor(), list(shape)
        for axis, cut_out in enumerate(zip(begin, end, stride, strict=True)):
            places = np.arange(*cut_out, dtype=np.int32)
            if not np.array_equal(places, np.arange(shape[axis])):
                now[axis] = places.size
                value = _gathered(site, axis, site.builder.constant(places), value, tuple(now))
        site.finish(value)
        return
    if max(stride) == 1:
        lengths = site.numbers(*site.shape)
        site.finish(site.step("SLICE", site.tensor(), site.numbers(*begin), lengths))
        return
    parts = (site.tensor(), site.numbers(*begin), site.numbers(*end), site.numbers(*stride))
    site.finish(site.step("STRIDED_SLICE", *parts))


@says("Expand")
def expand(site: Site) -> None:
    """MUL by ones: LiteRT has BROADCAST_TO only in later versions than TFLM."""
    if site.shape == site.source().shape:
        site.finish(site.tensor())
        return
    factors = site.builder.constant(plain(np.ones(site.shape, site.source().dtype)))
    if site.kind == "bool":
        raise ExportError("numbers to repeat", "truths", site.where)
    site.finish(site.step("MUL", site.tensor(), factors))


@says("Pad")
def pad(site: Site) -> None:
    """PAD with zeros, PADV2 with another number, MIRROR_PAD for a reflection."""
    constants = [site.constants.get(name) for name in site.node.inputs]
    widths, mode = constant_integers(site.node, constants, 1, "pads") or (), text(site.node, "mode", "constant")
    rank, half = site.source().ndim, len(widths) // 2
    axes = constant_integers(site.node, constants, 3) or tuple(range(half))
    around = np.zeros((rank, 2), np.int32)
    for i, axis in enumerate(axes):
        around[axis] = widths[i], widths[half + i]
    places = site.builder.constant(around)
    fill = site.fixed(2)
    if mode == "reflect":
        site.finish(site.step("MIRROR_PAD", site.tensor(), places, mode=schema.MirrorPadMode.REFLECT))
    elif mode != "constant":
        raise ExportError("mode constant or reflect", mode, site.where)
    elif fill is not None and fill.size and fill.any():
        number = site.builder.constant(plain(fill.reshape(-1)[:1].reshape(())))
        site.finish(site.step("PADV2", site.tensor(), places, number))
    else:
        site.finish(site.step("PAD", site.tensor(), places))


def _counted(site: Site, axis: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.asarray(site.source(1) % site.source().shape[axis], np.int32)


def _gathered(
    site: Site, axis: int, places: int, tensor: int | None = None, shape: tuple[int, ...] | None = None
) -> int:
    """GATHER of the node's input to its output, or of another tensor to another shape."""
    source = site.tensor() if tensor is None else tensor
    return site.step("GATHER", source, places, shape=shape, axis=axis, batchDims=0)


@says("GRU")
def gru(site: Site) -> None:
    """Two products for all samples of the window, and fourteen operators a sample.

    Raises:
        InputError: for weights that are computed.
    """
    arrays = [site.fixed(sample) for sample in (1, 2, 3)]
    if WINDOW not in site.node.attributes or any(array is None for array in arrays):
        raise ExportError("constant weights, over a window", "others", site.where)
    weights, recurrent, both = (np.asarray(array, np.float32)[0] for array in arrays)
    _, channels, samples = site.source().shape
    units = recurrent.shape[1]
    bias, late = both.reshape(2, -1)
    after = site.node.attributes.get("linear_before_reset", 0)
    gates, fresh = slice(0, 2 * units), slice(2 * units, 3 * units)
    turned = site.step("TRANSPOSE", site.tensor(), site.numbers(0, 2, 1), shape=(1, samples, channels))
    rows = reshaped(site, turned, (1, samples, channels), (samples, channels))
    # What the gates add to the state's part, its bias included, and what the new state does.
    to_gates = _product(site, rows, weights[gates], bias[gates] + late[gates], samples)
    to_fresh = _product(site, rows, weights[fresh], bias[fresh], samples)
    state, every = site.builder.constant(np.zeros((1, units), np.float32)), []
    for sample in range(samples):
        own = _product(site, state, recurrent[gates], np.zeros(2 * units, np.float32), 1)
        both_gates = site.step("ADD", _row(site, to_gates, sample, 2 * units), own, shape=(1, 2 * units))
        opened = site.step("LOGISTIC", both_gates, shape=(1, 2 * units))
        kept, seen = (_cut(site, opened, (0, start), units) for start in (0, units))
        reached = state if after else site.step("MUL", seen, state, shape=(1, units))
        late_sum = _product(site, reached, recurrent[fresh], late[fresh], 1)
        late_sum = site.step("MUL", seen, late_sum, shape=(1, units)) if after else late_sum
        candidate = site.step("ADD", _row(site, to_fresh, sample, units), late_sum, shape=(1, units))
        candidate = site.step("TANH", candidate, shape=(1, units))
        kept_part = site.step("MUL", kept, site.step("SUB", state, candidate, shape=(1, units)), shape=(1, units))
        state = site.step("ADD", candidate, kept_part, shape=(1, units))
        every.append(state)
    if site.node.attributes[WINDOW] != SEQUENCE:
        site.finish(state)
        return
    columns = [(reshaped(site, row, (1, units), (1, units, 1)), 1) for row in every]
    site.finish(joined(site, 2, columns))


def _product(site: Site, x: int, weights: Array, bias: Array, rows: int) -> int:
    added = [site.builder.constant(np.ascontiguousarray(array)) for array in (weights, bias)]
    return site.step("FULLY_CONNECTED", x, *added, shape=(rows, len(weights)))


def _row(site: Site, rows: int, sample: int, width: int) -> int:
    return _cut(site, rows, (sample, 0), width)


def _cut(site: Site, tensor: int, begin: tuple[int, int], width: int) -> int:
    return site.step("SLICE", tensor, site.numbers(*begin), site.numbers(1, width), shape=(1, width))


# Version of FULLY_CONNECTED that keeps the axes before the last.
_KEEPS_AXES = 5


@says("MatMul")
def matmul(site: Site) -> None:
    """FULLY_CONNECTED where the second factor is a constant matrix, BATCH_MATMUL otherwise."""
    matrix = site.fixed(1)
    if matrix is not None and matrix.ndim == 2 and site.source().ndim >= 2:
        site.finish(_connected(site, matrix.T))
        return
    if min(site.source(0).ndim, site.source(1).ndim) < 2:
        raise ExportError("factors of two axes or more", f"{site.source(1).ndim} axes", site.where)
    site.finish(site.step("BATCH_MATMUL", site.tensor(0), site.tensor(1)))


@says("Gemm")
def gemm(site: Site) -> None:
    """FULLY_CONNECTED with constant weights and bias, factors worked in."""
    node, matrix = site.node, site.fixed(1)
    if matrix is None or integer(node, "transA", 0) or (site.given(2) and site.fixed(2) is None):
        raise ExportError("constant weights and bias, and the first factor as it is", "computed ones", site.where)
    weights = matrix if integer(node, "transB", 0) else matrix.T
    alpha, beta = np.float32(number(node, "alpha", 1.0)), np.float32(number(node, "beta", 1.0))
    bias = site.fixed(2)
    if bias is not None:
        bias = np.broadcast_to(bias * beta, (1, len(weights))).reshape(-1)
    site.finish(_connected(site, weights * alpha, bias))


def _connected(site: Site, weights: Array, bias: Array | None = None) -> int:
    """FULLY_CONNECTED over the last axis; weights of shape (outputs, inputs)."""
    keeps = len(site.shape) > 2
    added = [site.builder.constant(np.ascontiguousarray(weights, np.float32))]
    if bias is not None:
        added.append(site.builder.constant(np.ascontiguousarray(bias, np.float32)))
    version = _KEEPS_AXES if keeps else 1
    return site.step("FULLY_CONNECTED", site.tensor(), *added, version=version, keepNumDims=keeps)


@says("Conv", "MaxPool", "AveragePool")
def window(site: Site) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D or AVERAGE_POOL_2D; one axis becomes a height of 1.

    Raises:
        InputError: for weights that are computed, or a padding or dilation that .tflite has no word for.
    """
    shape, out = site.source().shape[1:], site.shape[1:]
    source = IntegerValue(shape=_last_channels(shape))
    operator, places = kernels.read_node(kernels.Site(site.node, source, tuple(shape), tuple(out), _weights(site)))
    four = reshaped(site, site.tensor(), site.source().shape, (1, *_two(shape)))
    turned = _turned(site, four, (1, *source.shape), (0, 2, 3, 1))
    result = site.builder.tensor((1, *places), "float32")
    location = tflite_operators.OperatorSite(
        builder=site.builder,
        operator=msgspec.structs.replace(operator, inputs=(0,), output=1),
        inputs=(turned,),
        output=result,
        sources=(source,),
        target=IntegerValue(shape=places),
    )
    try:
        tflite_operators.write(location)
    except InputError as error:
        raise InputError(error.expected, error.got, site.where, error.do, code=error.code) from None
    first = _turned(site, result, (1, *_two(out)), (0, 3, 1, 2))
    site.finish(reshaped(site, first, (1, *_two(out))))


def _weights(site: Site) -> kernels.Weights | None:
    if site.node.op != "Conv":
        return None
    array, bias = site.fixed(1), site.fixed(2)
    if array is None or (bias is None and site.given(2)):
        raise ExportError("constant weights and bias", "computed ones", site.where)
    return kernels.Weights(array, None, bias)


def _two(shape: Shape) -> Shape:
    """Return channels, height and width."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _last_channels(shape: Shape) -> Shape:
    channels, height, width = _two(shape)
    return height, width, channels


def _turned(site: Site, tensor: int, shape: Shape, order: Shape) -> int:
    return site.step("TRANSPOSE", tensor, site.numbers(*order), shape=shape)
