"""One channel of a stream: everything that is remembered of it, in under 1,000 bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from edgewright.monitor.drift.change_detection import Adwin, PageHinkley
from edgewright.monitor.drift.reference_test import Finding, Sizes, changed, compare, scale_of
from edgewright.monitor.drift.ring_buffer import BLOCKS, Ring
from edgewright.monitor.drift.sketch import SKETCH_BYTES, OpenBlock, Sketch, bins_of
from edgewright.schema.errors import InputError
from edgewright.schema.package import ReferenceColumn

# Change of the mean is looked for within this many deviations of training.
_SPAN = 4.0
_HEAD = struct.Struct("<BBHHHd")


def change_tests() -> tuple[Adwin, PageHinkley]:
    """The two tests over the means of blocks; a look at every block, as blocks are few."""
    return Adwin(clock=1, levels=3, grace=BLOCKS // 2), PageHinkley(delta=0.25, threshold=4.0, least=BLOCKS // 2)


class ChannelWatch:
    """A channel against its reference.

    Args:
        column: of the package.
        sizes: that matter.
        alpha: probability of a false alarm that one test of one block may have.

    Attributes:
        total: all rows so far.
        finding: of the last look; None before the first.
        drifted: whether the channel has drifted and has not come back since.
        since: time with which that began, as `DriftWatch` told it; NaN where it has not drifted.
    """

    def __init__(self, column: ReferenceColumn, sizes: Sizes, alpha: float) -> None:
        self.column, self.sizes, self.alpha = column, sizes, alpha
        self.bins = bins_of(column)
        self.total, self.ring = Sketch(), Ring()
        self._open = OpenBlock(self.bins, column.mean)
        self._adwin, self._page = change_tests()
        self.finding: Finding | None = None
        self.drifted, self.since = False, math.nan
        self._told = 0  # blocks for which a change that one of the tests told is still looked into

    def push(self, values: NDArray[np.float32]) -> None:
        """Takes rows of the open block, shape (rows,), NaN where missing."""
        self._open.add(values)

    def close(self) -> Finding | None:
        """Ends the block; what was found, where the channel has begun to drift with it."""
        block = self._open.close()
        self.total.add(block)
        self.ring.push(block)
        change = self._changed(block)
        self.finding, beyond = compare(self.ring, self.column, self.bins, self.sizes, self.alpha)
        began = beyond and not self.drifted
        if beyond:
            self.drifted = True
        elif self.finding.score < 0.5:
            self.drifted, self.since = False, math.nan
        if began:
            return self.finding
        return None if self.drifted else change

    def _changed(self, block: Sketch) -> Finding | None:
        """A change on the way: one of the two tests says so, and one rhythm differs from the one before."""
        self._told = max(0, self._told - 1)
        if not block.present:
            return None
        z = (block.mean - self.column.mean) / scale_of(self.column)
        z = min(max(z, -_SPAN), _SPAN)
        told = self._page.update(z)
        if self._adwin.update((z + _SPAN) / (2 * _SPAN)) or told:
            self._told = BLOCKS
        found = changed(self.ring, self.column, self.sizes, self.alpha) if self._told else None
        if found is not None:
            self._told = 0
        return found

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        ring, adwin, page = self.ring.to_bytes(), self._adwin.to_bytes(), self._page.to_bytes()
        head = _HEAD.pack(self.drifted, self._told, len(ring), len(adwin), len(page), self.since)
        return head + self.total.to_bytes() + self._open.to_bytes() + ring + adwin + page

    def restore(self, data: bytes) -> None:
        """Goes on from `to_bytes`, as if it had never stopped.

        Raises:
            InputError: other bytes.
        """
        start = _HEAD.size
        if len(data) < start + 2 * SKETCH_BYTES:
            raise InputError("the state of a channel", f"{len(data)} bytes", f"drift, {self.column.name}")
        drifted, told, *lengths, since = _HEAD.unpack(data[:start])
        parts = []
        for length in (SKETCH_BYTES, SKETCH_BYTES, *lengths):
            parts.append(data[start : start + length])
            start += length
        if start != len(data):
            raise InputError(f"a state of {start} bytes", str(len(data)), f"drift, {self.column.name}")
        self.drifted, self._told, self.since = bool(drifted), told, since
        self.total = Sketch.from_bytes(parts[0])
        self._open.restore(parts[1])
        self.ring.restore(parts[2])
        self._adwin.restore(parts[3])
        self._page.restore(parts[4])
        if len(self.ring):
            self.finding = compare(self.ring, self.column, self.bins, self.sizes, self.alpha)[0]
