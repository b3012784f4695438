"""Values repeated, moved between channels and places, cut off along a diagonal, counted off: Tile, DepthToSpace, ..."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.draft import Chain, DraftNode, Rewritten
from edgewright.graph.normalise._convolution_transpose import in_order
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError

_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    mode = str(node.attributes.get("mode", "constant"))
    widths = _widths(node, seen)
    if mode == "constant":
        return [node] if min(map(min, widths.values()), default=0) >= 0 else _cut(chain, node, seen, widths)
    if mode not in _MODES:
        raise InputError("mode constant, reflect, edge or wrap", repr(mode), node.where)
    value = node.inputs[0]
    for axis, (before, after) in widths.items():
        if before or after:
            places = _places(node, seen.shapes[0][axis], before, after, mode)
            value = chain.op("Gather", value, places, axis=axis)
    return value


def _widths(node: DraftNode, seen: Seen) -> dict[int, tuple[int, int]]:
    """Return values before and after each axis that is named.

    Raises:
        InputError: for widths that do not fit, or padding of the batch.
    """
    pads, axes = seen.constant(1, "pads"), seen.constant(3, "axes")
    rank = len(seen.shapes[0])
    named = range(rank) if axes is None else [int(axis) % rank for axis in axes.ravel()]
    numbers = () if pads is None else [int(n) for n in pads.ravel()]
    if len(numbers) != 2 * len(named):
        raise InputError(f"{2 * len(named)} widths", str(len(numbers)), node.where)
    lengths = dict(zip(named, zip(numbers[: len(named)], numbers[len(named) :], strict=True), strict=True))
    if any(lengths.get(0, ())):
        raise InputError("padding of each sample", f"{lengths[0]} samples more", node.where)
    return lengths


def _places(node: DraftNode, length: int, before: int, after: int, mode: str) -> NDArray[np.int64]:
    """Which entries of an axis stand where after padding; a negative width leaves entries out."""
    maximum = length - 1 if mode == "reflect" else length if mode == "wrap" else 1 << 20
    if max(before, after) > maximum or length + min(0, before) + min(0, after) < 1:
        raise InputError(f"at most {maximum} values more by {mode}", f"{before} and {after}", node.where)
    inner = np.arange(length)[max(0, -before) : length + min(0, after)]
    around: NDArray[np.int64] = np.pad(inner, (max(0, before), max(0, after)), mode=mode)  # type: ignore[call-overload]
    return around


def _cut(chain: Chain, node: DraftNode, seen: Seen, widths: dict[int, tuple[int, int]]) -> str:
    """Leave entries out first, then pads with what is above 0."""
    value = node.inputs[0]
    shape = seen.shapes[0]
    for axis, (before, after) in widths.items():
        if min(before, after) < 0:
            ends = (max(0, -before), shape[axis] + min(0, after), axis)
            if ends[0] >= ends[1]:
                raise InputError(f"less than {shape[axis]} values left out", f"{before} and {after}", node.where)
            value = chain.op("Slice", value, *([n] for n in ends))
    around = [[max(0, widths.get(axis, (0, 0))[end]) for axis in range(len(shape))] for end in (0, 1)]
    return chain.op("Pad", value, [*around[0], *around[1]], *node.inputs[2:3])


def _cumulative(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    number, shape = seen.constant(1, "axis"), seen.shapes[0]
    if number is None or number.size != 1:
        raise InputError("one axis", "others", node.where)
    axis = int(number.ravel()[0]) % len(shape)
    if axis in (0, seen.grows()):
        raise InputError("sums within each sample", "sums over the samples", node.where)
    value = node.inputs[0]
    back = bool(node.attributes.get("reverse", 0))
    if node.attributes.get("exclusive", 0):
        value = _shifted(chain, value, shape, axis, 1, back)
    width = 1
    while width < shape[axis]:
        value = chain.op("Add", value, _shifted(chain, value, shape, axis, width, back))
        width *= 2
    return value


def _shifted(chain: Chain, value: str, shape: tuple[int, ...], axis: int, width: int, back: bool) -> str:
    """Return the value moved by `width` along an axis, towards its beginning where `back`, with zeros behind it."""
    length = shape[axis]
    start, end = (width, length) if back else (0, length - width)
    kept = chain.op("Slice", value, *([n] for n in (start, end, axis)))
    around = [0] * (2 * len(shape))
    around[axis + (len(shape) if back else 0)] = width
    return chain.op("Pad", kept, around)


def _gather(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    places, shape, grows = seen.constant(1, "places"), seen.shapes[0], seen.grows()
    if places is None or node.attributes.get("batch_dims", 0) or not 1 <= places.shape[-1] <= len(shape):
        raise InputError("constant places without batch_dims", "others", node.where)
    count = places.shape[-1]
    chosen = shape[:count]
    if 0 <= grows < count:
        raise InputError("a choice within each sample", f"one among the samples, axis {grows}", node.where)
    lengths = np.asarray(chosen, np.int64)
    if np.any(places < -lengths) or np.any(places >= lengths):
        raise InputError(f"places within {chosen}", f"{places.min()} to {places.max()}", node.where)
    line = np.asarray(np.ravel_multi_index(np.moveaxis(places % lengths, -1, 0), chosen), np.int64)
    value = node.inputs[0]
    if count > 1:
        rest = [-1 if axis == grows else n for axis, n in enumerate(shape) if axis >= count]
        value = chain.op("Reshape", value, [math.prod(chosen), *rest])
    return chain.op("Gather", value, line, axis=0)


def _split(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    axis = int(node.attributes.get("axis", 0))
    length = seen.shapes[0][axis]
    given = seen.constant(1, "lengths")
    sizes = [int(n) for n in (given if given is not None else node.attributes.get("split", ()))]
    if not sizes:
        each = -(-length // len(node.outputs))
        sizes = [each] * (len(node.outputs) - 1)
        sizes.append(length - sum(sizes))
    if len(sizes) != len(node.outputs) or sum(sizes) != length or min(sizes) < 0:
        raise InputError(f"parts of a length of {length}", str(sizes), node.where)
    parts, at = [], 0
    for size, output in zip(sizes, node.outputs, strict=True):
        if output:
            ends = [chain.draft.integers([n]) for n in (at, at + size, axis)]
            parts.append(DraftNode("Slice", [node.inputs[0], *ends], [output]))
        at += size
    return parts


_LARGEST = 1 << 20


def _tile(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return entries by index, over and over; what is a constant stays for `constants`."""
    if seen.constants[0] is not None:
        return [node]
    repeats, shape = seen.constant(1, "repeats"), seen.shapes[0]
    if repeats is None or repeats.size != len(shape) or not repeats.min() >= 1 or repeats.prod() > _LARGEST:
        raise InputError(f"{len(shape)} repeats from 1", "others", node.where)
    if repeats.ravel()[0] != 1:
        raise InputError("a batch that stays", f"repeated {repeats.ravel()[0]} times", node.where)
    value = node.inputs[0]
    for axis, times in enumerate(repeats.ravel().tolist()):
        if times > 1:
            value = chain.op("Gather", value, np.tile(np.arange(shape[axis]), times), axis=axis)
    return value


def _depth_to_space(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return blocks of channels to places, as the phases of a transposed convolution are."""
    shape, block, mode = seen.shapes[0], int(node.attributes["blocksize"]), str(node.attributes.get("mode", "DCR"))
    if len(shape) != 4 or block < 1 or shape[1] % (block * block) or mode not in ("DCR", "CRD"):
        raise InputError("channels for blocks, mode DCR or CRD", f"{shape}, {block}, {mode}", node.where)
    value, filters = node.inputs[0], shape[1] // (block * block)
    if mode == "DCR":
        # (n, blocks, channels, places) to (n, channels, blocks, places).
        value = chain.op("Reshape", value, [-1, block * block, filters, shape[2] * shape[3]])
        value = chain.op("Transpose", value, perm=(0, 2, 1, 3))
        value = chain.op("Reshape", value, [-1, *shape[1:]])
    return in_order(chain, value, filters, (block, block), shape[2:])


def _space_to_depth(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Every block-th row and column by itself, one after the other along the channels."""
    shape, block = seen.shapes[0], int(node.attributes["blocksize"])
    if len(shape) != 4 or block < 1 or shape[2] % block or shape[3] % block:
        raise InputError("height and width in blocks", f"{shape} by {block}", node.where)
    parts = []
    for row in range(block):
        for column in range(block):
            settings = ([row, column], list(shape[2:]), [2, 3], [block, block])
            parts.append(chain.op("Slice", node.inputs[0], *settings))
    return chain.op("Concat", *parts, axis=1)


def _triangle(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """Return zeros below or above a diagonal."""
    shape, offset = seen.shapes[0], seen.constant(1, "k")
    if seen.grows() >= len(shape) - 2 or len(shape) < 2:
        raise InputError("a matrix in each sample", f"shape {shape}", node.where)
    k = 0 if offset is None else int(np.clip(offset.ravel()[0], -_LARGEST, _LARGEST))
    mask = np.ones(shape[-2:], bool)
    kept = np.triu(mask, k) if node.attributes.get("upper", 1) else np.tril(mask, k)
    return chain.op("Where", kept, node.inputs[0], 0.0)


def _one_hot(chain: Chain, node: DraftNode, seen: Seen) -> Rewritten:
    """On where the value is the place, off elsewhere; places below 0 count from the end."""
    depth, pair = seen.constant(1, "depth"), seen.constant(2, "values")
    count = 0 if depth is None or depth.size != 1 else int(depth.ravel()[0])
    if pair is None or pair.size != 2 or not 1 <= count <= _LARGEST:
        raise InputError("a constant depth and two values", "others", node.where)
    axis = int(node.attributes.get("axis", -1))
    rank = len(seen.shapes[0]) + 1
    value = chain.op("Cast", node.inputs[0], to=6)
    below = chain.op("Less", value, np.asarray(0, np.int32))
    value = chain.op("Where", below, chain.op("Add", value, np.asarray(count, np.int32)), value)
    wide = chain.op("Unsqueeze", value, [axis])
    places = np.arange(count, dtype=np.int32).reshape(-1, *(1,) * (rank - 1 - axis % rank))
    same = chain.op("Equal", wide, places)
    off, on = (chain.draft.constant(number) for number in pair.ravel())
    return chain.op("Where", same, on, off)


RULES: dict[str, Rule] = {
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _triangle,
    "OneHot": _one_hot,
    "Split": _split,
    "GatherND": _gather,
    "CumSum": _cumulative,
    "Pad": _pad,
}
