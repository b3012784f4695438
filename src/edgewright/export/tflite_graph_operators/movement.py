"""Operators that move values without computing. Lengths are fixed, so every new shape is a constant."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewright.core.operators._attributes import constant_integers, integer, integers, text
from edgewright.export.tflite_graph_operators import Site, plain, reshaped, says
from edgewright.schema.errors import InputError

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
        raise InputError("one row of values to choose from", f"shape {site.source().shape}", site.where)
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
        raise InputError("a slice that holds values", f"shape {site.shape}", site.where)
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
        raise InputError("numbers to repeat", "truths", site.where)
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
        raise InputError("mode constant or reflect", mode, site.where)
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
