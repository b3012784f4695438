"""Weights as the kernels read them: groups of 16 outputs side by side, zeros where a group is not full."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Array

GROUP = 16
_ALIGNMENT = 64
# Of integer sums, by the best feature of a processor: 32 registers of 16 sums, 16 of 8, 16 of 4, 32 of 4 (arm64).
_MOST_GROUPS = {"avx512_vnni": 16, "avx2": 6, "ssse3": 3, "": 6}


@dataclass
class Blob:
    """The constants of a model in one file that the compiler includes as it is: text would take minutes to compile."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, array: Array) -> int:
        """Append an array; give its place in bytes, a multiple of 64."""
        data = np.ascontiguousarray(array).tobytes()
        index = self.size
        data += bytes(-len(data) % _ALIGNMENT)
        self.parts.append(data)
        self.size += len(data)
        return index

    def bytes(self) -> bytes:
        """All parts; never empty, and with room behind, because kernels read whole vectors."""
        return b"".join(self.parts) + bytes(_ALIGNMENT)


@dataclass(frozen=True)
class Site:
    """Where a dense layer reads and writes, as C: `rows` rows, their inputs `step` and their outputs `stride` apart.

    The inputs of a row are `lines` lines, `down` apart.
    """

    source: str
    target: str
    rows: str = "1"
    step: int = 0
    stride: int = 0
    lines: int = 1
    down: int = 0


def most_groups(integer: bool, features: frozenset[str]) -> int:
    """Return how many groups' sums a processor's registers hold: more would spill, fewer would wait for each other."""
    if not integer:
        return 4
    return next(count for needed, count in _MOST_GROUPS.items() if needed in features or not needed)


def blocks(outputs: int, maximum: int) -> list[tuple[int, int]]:
    """First output and number of groups of each block that is computed at once, at most `maximum` groups, evenly."""
    groups = -(-outputs // GROUP)
    count = -(-groups // maximum)
    sizes = [groups // count + (i < groups % count) for i in range(count)]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * GROUP
    return [(int(start), size) for start, size in zip(starts, sizes, strict=True)]


def float_block(weights: Array, start: int, groups: int) -> NDArray[np.float32]:
    """Return weights (outputs, inputs) as [inputs][groups * 16]."""
    block = np.zeros((weights.shape[1], groups * GROUP), np.float32)
    part = weights[start : start + groups * GROUP]
    block[:, : len(part)] = part.T
    return block


def byte_block(weights: Array, start: int, groups: int) -> NDArray[np.int8]:
    """Return weights (outputs, inputs) as [inputs / 4][groups * 16][4]."""
    quads = -(-weights.shape[1] // 4)
    part = weights[start : start + groups * GROUP]
    block = np.zeros((groups * GROUP, quads * 4), np.int8)
    block[: len(part), : weights.shape[1]] = part
    return np.ascontiguousarray(block.reshape(groups * GROUP, quads, 4).transpose(1, 0, 2))


def within_bytes(weights: Array) -> tuple[Array, ...]:
    """Return weights as addends of at least -127, which the kernels can negate: itself, nearly always."""
    if weights.min(initial=0) > -128:
        return (weights,)
    upper = np.maximum(weights, -127)
    return upper, weights - upper


def tap_groups(weights: Array, count: int) -> Array:
    """Depthwise weights (height, width, filters) as [taps / count, rounded up][filters in whole groups][count]."""
    filters = weights.shape[-1]
    taps = weights.reshape(-1, filters)
    grouped = np.zeros((-(-len(taps) // count) * count, -(-filters // GROUP) * GROUP), weights.dtype)
    grouped[: len(taps), :filters] = taps
    return np.ascontiguousarray(grouped.reshape(-1, count, grouped.shape[1]).transpose(0, 2, 1))


def padded(array: Array, start: int, groups: int) -> Array:
    """Return a row of numbers by output, cut to a block and filled with zeros."""
    row = np.zeros(groups * GROUP, array.dtype)
    part = array[start : start + groups * GROUP]
    row[: len(part)] = part
    return row


def byte_bias(weights: Array, bias: Array, zero: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return what sums start from for inputs of bytes + 128 and for signed ones; weights have shape (outputs, inputs).

    sum (x - zero) w = sum (x + 128) w - (128 + zero) sum w. All of it wraps at 32 bits as the sums of the hardware do;
    the result is right because the whole sum fits (core/kernels, `sums`).
    """
    total = weights.astype(np.int64).sum(axis=1)
    signed = bias.astype(np.int64) - zero * total
    return (signed - 128 * total).astype(np.int32), signed.astype(np.int32)
