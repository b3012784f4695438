"""Counts between the quantiles of training, and moments: what a channel looked like, in a hundred bytes that add up."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DriftReferenceError, DriftStateError
from edgewright.core.records.package import ReferenceColumn

Array = NDArray[np.float64]
BINS = 8
# Places and shares of the reference's quantiles that cut the bins; 1 and 99 % are left out to save bytes.
_CUTS = ((0, 0.0), (2, 0.05), (3, 0.25), (4, 0.5), (5, 0.75), (6, 0.95), (8, 1.0))
_LAYOUT = struct.Struct(f"<qqqddff{BINS}q")
SKETCH_BYTES = _LAYOUT.size
BLOCKS = 16
_WHOLE = 65535  # the share of one in 16 bits
_BLOCK = np.dtype(
    [("bins", "<u2", BINS), ("outside", "<u2"), ("missing", "<u2"), ("mean", "<f4"), ("deviation", "<f4")]
)  # fmt: skip
BLOCK_BYTES = _BLOCK.itemsize


@dataclass(frozen=True)
class Bins:
    """Bins cut at the quantiles of training.

    Attributes:
        edges: shape (at most BINS - 1,), float32, rising; bin i holds edge i - 1 < value <= edge i.
        expected: shape (BINS,), the share of training in each bin; 0 in bins that are not used.
    """

    edges: NDArray[np.float32]
    expected: Array

    def counts(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """How many of the values (none of them missing) lie in each bin, shape (BINS,)."""
        return np.bincount(np.searchsorted(self.edges, values, side="left"), minlength=BINS).astype(np.int64)

    def outside(self, values: NDArray[np.float32]) -> int:
        """How many of the values training never had: below its minimum or above its maximum."""
        return int(((values < self.edges[0]) | (values > self.edges[-1])).sum())


def bins_of(column: ReferenceColumn) -> Bins:
    """Return the bins of a reference column.

    Where quantiles are equal, a single value holds much of the training rows; how much is known only to lie between
    two of the quantiles' shares, and their middle is taken.

    Raises:
        InputError: other than nine rising quantiles.
    """
    levels = np.array([share for _, share in _CUTS])
    given = np.asarray(column.quantiles, np.float64)
    if given.shape != (9,) or not np.isfinite(given).all() or (np.diff(given) < 0).any():
        raise DriftReferenceError("nine rising quantiles", str(column.quantiles)[:80], f"reference of {column.name}")
    cuts = given[[index for index, _ in _CUTS]].astype(np.float32)
    edges, first, tied = np.unique(cuts, return_index=True, return_counts=True)
    last = first + tied - 1
    below = levels[last]
    middle = (below + levels[np.minimum(last + 1, len(levels) - 1)]) / 2
    below = np.where((tied > 1) & (last + 1 < len(levels)), middle, below)
    expected = np.zeros(BINS)
    expected[: len(edges)] = np.diff(below, prepend=0.0)
    return Bins(edges, expected)


@dataclass
class Sketch:
    """Rows of one channel, counted. Sketches of several devices, or of several stretches of time, add up.

    Attributes:
        rows: all of them; `missing` have no value, `outside` one that training never had.
        mean, squares: of the values; squares are summed about the mean.
        low, high: smallest and largest value, float32.
        bins: shape (BINS,), counts.
    """

    rows: int = 0
    missing: int = 0
    outside: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def deviation(self) -> float:
        """Standard deviation of the values; 0 for none."""
        return float(np.sqrt(max(0.0, self.squares) / self.present)) if self.present else 0.0

    def add(self, other: Sketch) -> None:
        """Take the rows of another sketch over the same bins (Chan, Golub and LeVeque 1979 for the moments)."""
        mine, theirs = self.present, other.present
        self.rows += other.rows
        self.missing += other.missing
        self.outside += other.outside
        self.bins = self.bins + other.bins
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if theirs:
            away = other.mean - self.mean
            self.mean += away * theirs / (mine + theirs)
            self.squares += other.squares + away * away * mine * theirs / (mine + theirs)

    def quantile(self, share: float, bins: Bins) -> float:
        """Return the value below which about that share of values lies, interpolated between bins; NaN for none."""
        if not self.present:
            return float("nan")
        ends = np.clip(np.append(bins.edges.astype(np.float64), self.high), self.low, self.high)
        reached = np.cumsum(self.bins[: len(ends)]) / self.present
        return float(np.interp(share, np.concatenate([[0.0], reached]), np.concatenate([[self.low], ends])))

    def to_bytes(self) -> bytes:
        """`SKETCH_BYTES` bytes, exact."""
        return _LAYOUT.pack(
            self.rows, self.missing, self.outside, self.mean, self.squares, self.low, self.high, *self.bins.tolist()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """Return what `to_bytes` gave.

        Raises:
            InputError: another length, or counts that cannot be.
        """
        if len(data) != SKETCH_BYTES:
            raise DriftStateError(f"a sketch of {SKETCH_BYTES} bytes", str(len(data)), "drift")
        rows, missing, outside, mean, squares, low, high, *bins = _LAYOUT.unpack(data)
        if min(rows, missing, outside, *bins) < 0 or missing > rows:
            raise DriftStateError("a sketch", "counts that cannot be", "drift")
        return cls(rows, missing, outside, mean, squares, low, high, np.array(bins, np.int64))


class OpenBlock:
    """The rows of a block that is not full yet; how they were put into packets changes nothing, to the last bit.

    Sums are taken about the mean of training, row by row, so that large levels cost no digits.

    Args:
        bins: of the channel.
        level: mean of training.

    Attributes:
        sums: all it remembers.
    """

    def __init__(self, bins: Bins, level: float) -> None:
        self._bins, self._level = bins, level
        self.sums = Sketch()

    def add(self, values: NDArray[np.float32]) -> None:
        """Take rows, shape (rows,), NaN where missing."""
        sums, there = self.sums, values[np.isfinite(values)]
        sums.rows += len(values)
        sums.missing += len(values) - len(there)
        if not len(there):
            return
        away = there.astype(np.float64) - self._level
        # An accumulation goes from row to row; a sum would add in pairs, in an order that depends on the packet.
        sums.mean = float(np.add.accumulate(np.concatenate([[sums.mean], away]))[-1])
        sums.squares = float(np.add.accumulate(np.concatenate([[sums.squares], away * away]))[-1])
        sums.outside += self._bins.outside(there)
        sums.low, sums.high = min(sums.low, float(there.min())), max(sums.high, float(there.max()))
        sums.bins = sums.bins + self._bins.counts(there)

    def close(self) -> Sketch:
        """Return the sketch of the block, and begin the next one."""
        sketch, self.sums = self.sums, Sketch()
        count = max(sketch.present, 1)
        shift = sketch.mean / count
        sketch.squares = max(0.0, sketch.squares - sketch.mean * shift)
        sketch.mean = self._level + shift if sketch.present else 0.0
        return sketch


class Ring:
    """At most `BLOCKS` blocks, the oldest first. Shares are rounded to 1/65,535, moments to float32."""

    def __init__(self) -> None:
        self._blocks = np.zeros(0, _BLOCK)

    def __len__(self) -> int:
        return len(self._blocks)

    def push(self, block: Sketch) -> None:
        """Take the sketch of a block; the oldest gives way."""
        new = np.zeros(1, _BLOCK)
        there, rows = max(block.present, 1), max(block.rows, 1)
        new["bins"] = np.rint(block.bins / there * _WHOLE)
        new["outside"] = round(block.outside / there * _WHOLE)
        new["missing"] = round(block.missing / rows * _WHOLE)
        new["mean"] = block.mean if block.present else np.nan
        new["deviation"] = block.deviation
        self._blocks = np.concatenate([self._blocks, new])[-BLOCKS:]

    def clear(self) -> None:
        """Forget all blocks."""
        self._blocks = self._blocks[:0]

    def shares(self, field: Literal["bins", "outside", "missing"] = "bins") -> Array:
        """Return shares of values in each bin (blocks, BINS), beyond training, or of rows without one (blocks,)."""
        return np.asarray(self._blocks[field] / _WHOLE)

    def moments(self, field: Literal["mean", "deviation"]) -> Array:
        """Shape (blocks,); the mean is NaN for a block without a value."""
        return self._blocks[field].astype(np.float64)

    def to_bytes(self) -> bytes:
        """At most `BLOCKS` * `BLOCK_BYTES` bytes, exact."""
        return self._blocks.tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: other bytes.
        """
        if len(data) % BLOCK_BYTES or len(data) > BLOCKS * BLOCK_BYTES:
            raise DriftStateError("the blocks of a channel", f"{len(data)} bytes", "drift")
        self._blocks = np.frombuffer(data, _BLOCK).copy()
