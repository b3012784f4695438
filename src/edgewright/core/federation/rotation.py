"""Signs of a rotated change: a sum of them shows whoever sent more than one sign a number.

The sum of k signs is from -k to k, and odd where k is odd. After a rotation that nobody chose, the signs of the other
members are nearly fair coins, so that a contribution several times as long leaves that range somewhere. One sign a
number, with a scale, estimates the direction of a vector (Vargaftik et al., DRIVE: One-bit distributed mean estimation,
NeurIPS 2021).
"""

from __future__ import annotations

import functools
import hashlib
import math
import secrets

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import Numbers
from edgewright.core.federation.masks import key_stream

_BLOCK, _STEPS = 256, 2
# Mean size of a normal variable with deviation 1, inverted: what makes signs as long as what they stand for.
_SCALE = math.sqrt(math.pi / 2.0)


def rotated_length(size: int) -> int:
    """Return how many signs stand for a change of `size` numbers."""
    block = _block(size)
    return -(-size // block) * block


class Rotation:
    """Twice a random order, random flips and the Walsh-Hadamard transform of blocks; exact: numbers stay below 2**53.

    After one transform the signs of a change with a single large number would tell nothing of the others.

    Args:
        context: random bytes of the round and group, from which all members derive the same rotation.
        size: numbers of a change.
    """

    def __init__(self, context: bytes, size: int) -> None:
        self._size, self._length, self._matrix = size, rotated_length(size), _hadamard(_block(size))
        self._steps = [(np.argsort(self._stream(context, b"order%d" % step), kind="stable"),
                        1.0 - 2.0 * (self._stream(context, b"flips%d" % step) & 1))
                       for step in range(_STEPS)]  # fmt: skip

    def _stream(self, context: bytes, purpose: bytes) -> NDArray[np.uint32]:
        return key_stream(hashlib.sha256(b"edgewright rotation " + purpose + context).digest(), self._length)

    def forward(self, change: Numbers) -> Numbers:
        """Return a change after the rotation, times the length of a block; shape (rotated_length(size),)."""
        turned = np.zeros(self._length)
        turned[: self._size] = change
        for order, flips in self._steps:
            turned = ((turned[order] * flips).reshape(-1, len(self._matrix)) @ self._matrix).ravel()
        return turned.astype(np.int64)

    def signs(self, change: Numbers) -> Numbers:
        """Return a sign, 1 or -1, for each number of the rotated change; zeros get one by chance."""
        turned = self.forward(change)
        coins = np.frombuffer(secrets.token_bytes(self._length), np.uint8) & 1
        return np.where(turned == 0, 2 * coins.astype(np.int64) - 1, np.sign(turned))

    def backward(self, total: Numbers) -> NDArray[np.float64]:
        """Return the sum of directions, each about 1 long, for which a sum of signs stands; shape (size,)."""
        turned = total.astype(np.float64)
        for order, flips in reversed(self._steps):
            placed = np.empty_like(turned)
            placed[order] = (turned.reshape(-1, len(self._matrix)) @ self._matrix).ravel() * flips
            turned = placed
        turned *= _SCALE / (len(self._matrix) * math.sqrt(self._length))
        return turned[: self._size]


def _block(size: int) -> int:
    return min(_BLOCK, 1 << (size - 1).bit_length())


@functools.cache
def _hadamard(block: int) -> NDArray[np.float64]:
    if block == 1:
        return np.ones((1, 1))
    matrix: NDArray[np.float64] = np.kron(_hadamard(block // 2), np.array([[1.0, 1.0], [1.0, -1.0]]))
    return matrix
