"""Resize by nearest or linear values: entries by index, weighted and added. Lengths are fixed, so the places are too.

Coordinates are those of the ONNX standard, worked out in float32 as ONNX Runtime does, since places in the middle
between two values are chosen by the last digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.draft import Chain, DraftNode, Rewritten
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError

_LARGEST = 1 << 16
_ELSEWHERE = "Export the model with mode nearest or linear"
Floats = NDArray[Any]


def _resize(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    given = node.attributes
    mode = str(given.get("mode", "nearest"))
    if mode not in ("nearest", "linear"):
        raise InputError("mode nearest or linear", repr(mode), node.where, _ELSEWHERE)
    for name, plain in (("antialias", 0), ("keep_aspect_ratio_policy", "stretch"), ("exclude_outside", 0)):
        if given.get(name, plain) != plain:
            raise InputError(f"{name} {plain}", repr(given[name]), node.where, f"Export the model without {name}")
    value = node.inputs[0]
    for axis, (length, scale) in _lengths(node, seen).items():
        before = seen.shapes[0][axis]
        if length == before and scale == 1:
            continue
        if axis == 0:
            raise InputError("a batch that stays", f"{length} samples for {before}", node.where)
        places = _coordinates(node, before, length, scale)
        if mode == "nearest":
            chosen = _nearest(node, places, before, shrinks=length < before)
            value = chain.op("Gather", value, chosen, axis=axis)
            continue
        value = _between(chain, value, np.clip(places, 0, before - 1), axis, len(seen.shapes[0]))
    return value


def _lengths(node: DraftNode, seen: Seen) -> dict[int, tuple[int, np.float32]]:
    """Return the length of each axis afterwards, and how many times the one before it is.

    Raises:
        InputError: where neither is given, or the result is none.
    """
    shape = seen.shapes[0]
    scales, sizes = seen.constant(2, "scales"), seen.constant(3, "sizes")
    axes = [int(axis) % len(shape) for axis in node.attributes.get("axes", range(len(shape)))]
    lengths: dict[int, tuple[int, np.float32]] = {}
    if sizes is not None and sizes.size == len(axes):
        for axis, size in zip(axes, sizes.ravel().tolist(), strict=True):
            lengths[axis] = int(size), np.float32(size) / np.float32(shape[axis])
    elif scales is not None and scales.size == len(axes):
        for axis, scale in zip(axes, scales.ravel().astype(np.float32), strict=True):
            lengths[axis] = int(np.floor(np.float32(shape[axis]) * scale)), scale
    else:
        raise InputError(f"{len(axes)} scales or sizes", "others", node.where)
    if any(not 1 <= length <= _LARGEST for length, _ in lengths.values()):
        raise InputError(f"lengths from 1 to {_LARGEST}", str([n for n, _ in lengths.values()]), node.where)
    return lengths


def _coordinates(node: DraftNode, before: int, after: int, scale: np.float32) -> Floats:
    """Where each new value lies on the axis as it was."""
    mode = str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    x, half, unit = np.arange(after, dtype=np.float32), np.float32(0.5), np.float32(1)
    if mode == "asymmetric":
        return x / scale
    if mode == "align_corners":
        return x * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.zeros(1, np.float32)
    if mode == "pytorch_half_pixel" and after == 1:
        return np.zeros(1, np.float32)
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (x + half) / scale - half
    if mode == "half_pixel_symmetric":
        middle = np.float32(before) / np.float32(2)
        return middle * (unit - np.float32(after) / (scale * np.float32(before))) + (x + half) / scale - half
    if mode == "tf_half_pixel_for_nn":
        return (x + half) / scale
    got = "coordinates asymmetric, align_corners, half_pixel, half_pixel_symmetric or pytorch_half_pixel"
    raise InputError(got, repr(mode), node.where, _ELSEWHERE)


def _nearest(node: DraftNode, places: Floats, before: int, *, shrinks: bool) -> NDArray[np.int64]:
    """Which value is taken for each place; 'simple' is what opset 10 and Upsample do in ONNX Runtime."""
    mode = str(node.attributes.get("nearest_mode", "round_prefer_floor"))
    half = np.float32(0.5)
    rounded = {
        "round_prefer_floor": np.ceil(places - half),
        "round_prefer_ceil": np.floor(places + half),
        "floor": np.floor(places),
        "ceil": np.ceil(places),
        "simple": np.ceil(places) if shrinks else np.floor(places),
    }
    if mode not in rounded:
        raise InputError(f"nearest_mode {', '.join(rounded)}", repr(mode), node.where)
    return np.clip(rounded[mode], 0, before - 1).astype(np.int64)


def _between(chain: Chain, value: str, places: Floats, axis: int, rank: int) -> str:
    """Return the two values beside each place, the nearer one with the larger weight."""
    low = np.floor(places).astype(np.int64)
    weights = (places - low).astype(np.float32).reshape(-1, *(1,) * (rank - 1 - axis))
    first = chain.op("Gather", value, low, axis=axis)
    if not weights.any():
        return first
    second = chain.op("Gather", value, low + (weights.ravel() > 0), axis=axis)
    first = chain.op("Mul", first, np.float32(1) - weights)
    return chain.op("Add", first, chain.op("Mul", second, weights))


RULES: dict[str, Rule] = {"Resize": _resize}
