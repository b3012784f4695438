"""The last blocks of rows of a channel: for each the shares of its bins and its moments, in 28 bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.drift.sketch import BINS, Sketch
from edgewright.schema.errors import InputError

BLOCKS = 16
_WHOLE = 65535  # the share of one in 16 bits
_BLOCK = np.dtype(
    [("bins", "<u2", BINS), ("outside", "<u2"), ("missing", "<u2"), ("mean", "<f4"), ("deviation", "<f4")]
)  # fmt: skip
BLOCK_BYTES = _BLOCK.itemsize
Array = NDArray[np.float64]


class Ring:
    """At most `BLOCKS` blocks, the oldest first. Shares are rounded to 1/65,535, moments to float32."""

    def __init__(self) -> None:
        self._blocks = np.zeros(0, _BLOCK)

    def __len__(self) -> int:
        return len(self._blocks)

    def push(self, block: Sketch) -> None:
        """Takes the sketch of a block; the oldest gives way."""
        new = np.zeros(1, _BLOCK)
        there, rows = max(block.present, 1), max(block.rows, 1)
        new["bins"] = np.rint(block.bins / there * _WHOLE)
        new["outside"] = round(block.outside / there * _WHOLE)
        new["missing"] = round(block.missing / rows * _WHOLE)
        new["mean"] = block.mean if block.present else np.nan
        new["deviation"] = block.deviation
        self._blocks = np.concatenate([self._blocks, new])[-BLOCKS:]

    def clear(self) -> None:
        """Forgets all blocks."""
        self._blocks = self._blocks[:0]

    def shares(self) -> Array:
        """Share of values in each bin, shape (blocks, BINS)."""
        return np.asarray(self._blocks["bins"] / _WHOLE)

    def outside(self) -> Array:
        """Share of values that training never had, shape (blocks,)."""
        return np.asarray(self._blocks["outside"] / _WHOLE)

    def missing(self) -> Array:
        """Share of rows without a value, shape (blocks,)."""
        return np.asarray(self._blocks["missing"] / _WHOLE)

    def means(self) -> Array:
        """Shape (blocks,), NaN for a block without a value."""
        return self._blocks["mean"].astype(np.float64)

    def deviations(self) -> Array:
        """Shape (blocks,)."""
        return self._blocks["deviation"].astype(np.float64)

    def to_bytes(self) -> bytes:
        """At most `BLOCKS` * `BLOCK_BYTES` bytes, exact."""
        return self._blocks.tobytes()

    def restore(self, data: bytes) -> None:
        """Goes on from `to_bytes`.

        Raises:
            InputError: other bytes.
        """
        if len(data) % BLOCK_BYTES or len(data) > BLOCKS * BLOCK_BYTES:
            raise InputError("the blocks of a channel", f"{len(data)} bytes", "drift")
        self._blocks = np.frombuffer(data, _BLOCK).copy()
