"""Pad by reflection, edge or wrapping as entries by index, and negative widths as a Slice: C and .tflite have those."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.normalise._draft import Chain, Draft, DraftNode
from edgewright.graph.normalise._seen import Rule, Seen
from edgewright.schema.errors import InputError

_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _pad(draft: Draft, node: DraftNode, seen: Seen) -> list[DraftNode]:
    mode = str(node.attributes.get("mode", "constant"))
    widths = _widths(node, seen)
    if mode == "constant":
        return [node] if min(map(min, widths.values()), default=0) >= 0 else _cut(draft, node, seen, widths)
    if mode not in _MODES:
        raise InputError("mode constant, reflect, edge or wrap", repr(mode), node.where)
    chain, value = Chain(draft), node.inputs[0]
    for axis, (before, after) in widths.items():
        if before or after:
            places = _places(node, seen.shapes[0][axis], before, after, mode)
            value = chain.op("Gather", value, draft.constant(places), axis=axis)
    return chain.end(value, node.outputs[0])


def _widths(node: DraftNode, seen: Seen) -> dict[int, tuple[int, int]]:
    """Values before and after each axis that is named.

    Raises:
        InputError: for widths that do not fit, or padding of the batch.
    """
    pads, axes = seen.constant(1, "pads"), seen.constant(3, "axes")
    rank = len(seen.shapes[0])
    named = range(rank) if axes is None else [int(axis) % rank for axis in axes.ravel()]
    numbers = () if pads is None else [int(n) for n in pads.ravel()]
    if len(numbers) != 2 * len(named):
        raise InputError(f"{2 * len(named)} widths", str(len(numbers)), node.where)
    made = dict(zip(named, zip(numbers[: len(named)], numbers[len(named) :], strict=True), strict=True))
    if any(made.get(0, ())):
        raise InputError("padding of each sample", f"{made[0]} samples more", node.where)
    return made


def _places(node: DraftNode, length: int, before: int, after: int, mode: str) -> NDArray[np.int64]:
    """Which entries of an axis stand where after padding; a negative width leaves entries out."""
    most = length - 1 if mode == "reflect" else length if mode == "wrap" else 1 << 20
    if max(before, after) > most or length + min(0, before) + min(0, after) < 1:
        raise InputError(f"at most {most} values more by {mode}", f"{before} and {after}", node.where)
    inner = np.arange(length)[max(0, -before) : length + min(0, after)]
    around: NDArray[np.int64] = np.pad(inner, (max(0, before), max(0, after)), mode=mode)  # type: ignore[call-overload]
    return around


def _cut(draft: Draft, node: DraftNode, seen: Seen, widths: dict[int, tuple[int, int]]) -> list[DraftNode]:
    """Leaves entries out first, then pads with what is above 0."""
    chain, value = Chain(draft), node.inputs[0]
    shape = seen.shapes[0]
    for axis, (before, after) in widths.items():
        if min(before, after) < 0:
            ends = (max(0, -before), shape[axis] + min(0, after), axis)
            if ends[0] >= ends[1]:
                raise InputError(f"less than {shape[axis]} values left out", f"{before} and {after}", node.where)
            value = chain.op("Slice", value, *(draft.integers([n]) for n in ends))
    around = [[max(0, widths.get(axis, (0, 0))[end]) for axis in range(len(shape))] for end in (0, 1)]
    value = chain.op("Pad", value, draft.integers([*around[0], *around[1]]), *node.inputs[2:3])
    return chain.end(value, node.outputs[0])


RULES: dict[str, Rule] = {"Pad": _pad}
