"""Values repeated, moved between channels and places, cut off along a diagonal, counted off: Tile, DepthToSpace, ..."""

from __future__ import annotations

import numpy as np

from edgewright.graph.normalise._convolution_transpose import in_order
from edgewright.graph.normalise._draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError

_LARGEST = 1 << 20


def _tile(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    """Entries by index, over and over; what is a constant stays for `constants`."""
    if seen.constants[0] is not None:
        return [node]
    repeats, shape = seen.constant(1, "repeats"), seen.shapes[0]
    if repeats is None or repeats.size != len(shape) or not repeats.min() >= 1 or repeats.prod() > _LARGEST:
        raise InputError(f"{len(shape)} repeats from 1", "others", node.where)
    if repeats.ravel()[0] != 1:
        raise InputError("a batch that stays", f"repeated {repeats.ravel()[0]} times", node.where)
    chain, value = Chain(draft), node.inputs[0]
    for axis, times in enumerate(repeats.ravel().tolist()):
        if times > 1:
            value = chain.op("Gather", value, draft.constant(np.tile(np.arange(shape[axis]), times)), axis=axis)
    return chain.end(value, node.outputs[0])


def _depth_to_space(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    """Blocks of channels to places, as the phases of a transposed convolution are."""
    shape, block, mode = seen.shapes[0], int(node.attributes["blocksize"]), str(node.attributes.get("mode", "DCR"))
    if len(shape) != 4 or block < 1 or shape[1] % (block * block) or mode not in ("DCR", "CRD"):
        raise InputError("channels for blocks, mode DCR or CRD", f"{shape}, {block}, {mode}", node.where)
    chain, value, filters = Chain(draft), node.inputs[0], shape[1] // (block * block)
    if mode == "DCR":
        # (n, blocks, channels, places) to (n, channels, blocks, places).
        value = chain.op("Reshape", value, draft.integers([-1, block * block, filters, shape[2] * shape[3]]))
        value = chain.op("Transpose", value, perm=(0, 2, 1, 3))
        value = chain.op("Reshape", value, draft.integers([-1, *shape[1:]]))
    return chain.end(in_order(chain, value, filters, (block, block), shape[2:]), node.outputs[0])


def _space_to_depth(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    """Every block-th row and column by itself, one after the other along the channels."""
    shape, block = seen.shapes[0], int(node.attributes["blocksize"])
    if len(shape) != 4 or block < 1 or shape[2] % block or shape[3] % block:
        raise InputError("height and width in blocks", f"{shape} by {block}", node.where)
    chain = Chain(draft)
    parts = []
    for row in range(block):
        for column in range(block):
            settings = ([row, column], list(shape[2:]), [2, 3], [block, block])
            parts.append(chain.op("Slice", node.inputs[0], *map(draft.integers, settings)))
    return chain.end(chain.op("Concat", *parts, axis=1), node.outputs[0])


def _triangle(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    """Zeros below or above a diagonal."""
    shape, offset = seen.shapes[0], seen.constant(1, "k")
    if seen.grows() >= len(shape) - 2 or len(shape) < 2:
        raise InputError("a matrix in each sample", f"shape {shape}", node.where)
    k = 0 if offset is None else int(np.clip(offset.ravel()[0], -_LARGEST, _LARGEST))
    ones = np.ones(shape[-2:], bool)
    kept = np.triu(ones, k) if node.attributes.get("upper", 1) else np.tril(ones, k)
    chain = Chain(draft)
    value = chain.op("Where", draft.constant(kept), node.inputs[0], draft.floats(0.0))
    return chain.end(value, node.outputs[0])


def _one_hot(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    """On where the value is the place, off elsewhere; places below 0 count from the end."""
    depth, pair = seen.constant(1, "depth"), seen.constant(2, "values")
    count = 0 if depth is None or depth.size != 1 else int(depth.ravel()[0])
    if pair is None or pair.size != 2 or not 1 <= count <= _LARGEST:
        raise InputError("a constant depth and two values", "others", node.where)
    axis = int(node.attributes.get("axis", -1))
    rank = len(seen.shapes[0]) + 1
    chain = Chain(draft)
    value = chain.op("Cast", node.inputs[0], to=6)
    below = chain.op("Less", value, draft.constant(np.asarray(0, np.int32)))
    value = chain.op("Where", below, chain.op("Add", value, draft.constant(np.asarray(count, np.int32))), value)
    wide = chain.op("Unsqueeze", value, draft.integers([axis]))
    places = np.arange(count, dtype=np.int32).reshape(-1, *(1,) * (rank - 1 - axis % rank))
    same = chain.op("Equal", wide, draft.constant(places))
    off, on = (draft.constant(number) for number in pair.ravel())
    return chain.end(chain.op("Where", same, on, off), node.outputs[0])


RULES: dict[str, Rule] = {
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _triangle,
    "OneHot": _one_hot,
}
