"""Weights as the kernels read them: groups of 16 outputs side by side, zeros where a group is not full."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.graph import Array

GROUP = 16
_ALIGNMENT = 64


@dataclass
class Blob:
    """The constants of a model in one file that the compiler includes as it is: text would take minutes to compile."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, array: Array) -> int:
        """Appends an array; gives its place in bytes, a multiple of 64."""
        data = np.ascontiguousarray(array).tobytes()
        place = self.size
        data += bytes(-len(data) % _ALIGNMENT)
        self.parts.append(data)
        self.size += len(data)
        return place

    def bytes(self) -> bytes:
        """All parts; never empty, and with room behind, because kernels read whole vectors."""
        return b"".join(self.parts) + bytes(_ALIGNMENT)


def blocks(outputs: int, most: int) -> list[tuple[int, int]]:
    """First output and number of groups of each block that is computed at once, at most `most` groups, evenly."""
    groups = -(-outputs // GROUP)
    count = -(-groups // most)
    sizes = [groups // count + (i < groups % count) for i in range(count)]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) * GROUP
    return [(int(start), size) for start, size in zip(starts, sizes, strict=True)]


def float_block(weights: Array, start: int, groups: int) -> NDArray[np.float32]:
    """Weights (outputs, inputs) as [inputs][groups * 16]."""
    made = np.zeros((weights.shape[1], groups * GROUP), np.float32)
    part = weights[start : start + groups * GROUP]
    made[:, : len(part)] = part.T
    return made


def byte_block(weights: Array, start: int, groups: int) -> NDArray[np.int8]:
    """Weights (outputs, inputs) as [inputs / 4][groups * 16][4]."""
    quads = -(-weights.shape[1] // 4)
    part = weights[start : start + groups * GROUP]
    made = np.zeros((groups * GROUP, quads * 4), np.int8)
    made[: len(part), : weights.shape[1]] = part
    return np.ascontiguousarray(made.reshape(groups * GROUP, quads, 4).transpose(1, 0, 2))


def padded(array: Array, start: int, groups: int) -> Array:
    """A row of numbers by output, cut to a block and filled with zeros."""
    made = np.zeros(groups * GROUP, array.dtype)
    part = array[start : start + groups * GROUP]
    made[: len(part)] = part
    return made


def byte_bias(weights: Array, bias: Array, zero: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """What a sum starts from where inputs are bytes + 128, and where they are signed.

    sum (x - zero) w = sum (x + 128) w - (128 + zero) sum w. All of it wraps at 32 bits as the sums of the hardware do;
    the result is right because the whole sum fits (runtime/kernels, `sums`).
    """
    total = weights.astype(np.int64).sum(axis=1)
    made = bias.astype(np.int64) - zero * total
    return (made - 128 * total).astype(np.int32), made.astype(np.int32)
