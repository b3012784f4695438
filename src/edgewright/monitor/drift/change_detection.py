"""Sketch of a channel's past values, and detectors of changes: Page-Hinkley, ADWIN, confidence."""

from __future__ import annotations

import math
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
_SKETCH_LAYOUT = struct.Struct(f"<qqqddff{BINS}q")
SKETCH_BYTES = _SKETCH_LAYOUT.size
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
        return _SKETCH_LAYOUT.pack(
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
        rows, missing, outside, mean, squares, low, high, *bins = _SKETCH_LAYOUT.unpack(data)
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


_SINGLE = struct.Struct("<ff")
# Of ADWIN: confidence (the smaller, the fewer false alarms), buckets of one size, values in each part of a cut.
_DELTA, _MAX_BUCKETS, _MIN_PART = 0.002, 5, 5
# What is kept of each sum of Page and Hinkley's test with every value.
_KEEP = 1 - 1e-4


class Adwin:
    """ADWIN, an adaptive window (Bifet and Gavaldà, 2007), over values from 0 to 1.

    The window lies in buckets of 1, 2, 4, ... values, at most five of a size; of each the sum and the sum of squares
    about its mean are kept, as float32, so that what is saved is all there is. A bucket beyond the last size is
    dropped, which bounds the window at 5 * (2 ** levels - 1) values. River's ADWIN has no such bound, keeps
    float64, and starts over after a change.

    Args:
        clock: values between two looks.
        levels: sizes of buckets.
        grace: values before the first look.
    """

    def __init__(self, *, clock: int = 32, levels: int = 4, grace: int = 10) -> None:
        self.clock, self.levels, self.grace = clock, levels, grace
        self.seen = 0
        # By size, the oldest bucket first: (sum, squares about the mean).
        self._rows: list[list[tuple[float, float]]] = [[] for _ in range(self.levels)]

    @property
    def width(self) -> int:
        """Values in the window."""
        return sum(len(row) << level for level, row in enumerate(self._rows))

    @property
    def mean(self) -> float:
        """Of the window; 0 for an empty one."""
        width = self.width
        return sum(total for row in self._rows for total, _ in row) / width if width else 0.0

    def update(self, value: float) -> bool:
        """Take a value; whether the window was cut, because its older part has another mean."""
        self.seen += 1
        self._rows[0].append((_single(value), 0.0))
        self._compress()
        if self.seen % self.clock or self.width <= self.grace:
            return False
        changed = False
        while self._cut():
            changed = True
        return changed

    def _compress(self) -> None:
        for level, row in enumerate(self._rows):
            if len(row) <= _MAX_BUCKETS:
                return
            (first, a), (second, b) = row.pop(0), row.pop(0)
            if level + 1 < self.levels:
                size = float(1 << level)
                between = (first - second) ** 2 / (2 * size)
                self._rows[level + 1].append((_single(first + second), _single(a + b + between)))

    def _cut(self) -> bool:
        """Drop the oldest bucket if some cut of the window has parts that differ by more than chance."""
        width = self.width
        if width < 2 * _MIN_PART:
            return False
        mean = self.mean
        squares = 0.0
        for level, row in enumerate(self._rows):
            size = 1 << level
            squares += sum(own + size * (total / size - mean) ** 2 for total, own in row)
        variance = squares / width
        loudness = math.log(2 * math.log(width) / _DELTA)
        whole = mean * width
        old, old_sum = 0, 0.0
        for level in range(self.levels - 1, -1, -1):
            for total, _ in self._rows[level]:
                old, old_sum = old + (1 << level), old_sum + total
                new = width - old
                if new < _MIN_PART:
                    return False
                if old < _MIN_PART:
                    continue
                inverse = 1 / (old - _MIN_PART + 1) + 1 / (new - _MIN_PART + 1)
                bound = math.sqrt(2 * inverse * variance * loudness) + 2 / 3 * loudness * inverse
                if abs(old_sum / old - (whole - old_sum) / new) > bound:
                    next(row for row in reversed(self._rows) if row).pop(0)
                    return True
        return False

    def to_bytes(self) -> bytes:
        """All it remembers: at most 4 + 41 * levels bytes, exact."""
        head = struct.pack(f"<I{self.levels}B", self.seen, *map(len, self._rows))
        return head + b"".join(_SINGLE.pack(*bucket) for row in self._rows for bucket in row)

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes` of one with the same settings.

        Raises:
            InputError: other bytes.
        """
        start = 4 + self.levels
        if len(data) < start or len(data) != start + _SINGLE.size * sum(data[4:start]):
            raise DriftStateError("the state of an ADWIN", f"{len(data)} bytes", "drift")
        self.seen = int.from_bytes(data[:4], "little")
        buckets = iter(list(_SINGLE.iter_unpack(data[start:])))
        self._rows = [[next(buckets) for _ in range(count)] for count in data[4:start]]


class PageHinkley:
    """Page and Hinkley's test for a change of the mean, in both directions (Page, 1954; Hinkley, 1971).

    The sums of what each value exceeds (falls below) the running mean by, less `delta`, are followed; the mean has
    changed when one is `threshold` above its minimum. Then everything starts over.

    Args:
        delta: change that is not looked for.
        threshold: see above; the larger, the fewer false alarms.
        minimum: values before the first alarm.
    """

    _LAYOUT = struct.Struct("<Iddddd")

    def __init__(self, *, delta: float = 0.005, threshold: float = 50.0, minimum: int = 30) -> None:
        self.delta, self.threshold, self.minimum_seen = delta, threshold, minimum
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.seen, self._mean = 0, 0.0
        self._up, self._down = 0.0, 0.0
        self._low, self._high = math.inf, -math.inf

    def update(self, value: float) -> bool:
        """Take a value; whether the mean has changed."""
        self.seen += 1
        self._mean += (value - self._mean) / self.seen
        away = value - self._mean
        self._up = _KEEP * self._up + away - self.delta
        self._down = _KEEP * self._down + away + self.delta
        self._low, self._high = min(self._low, self._up), max(self._high, self._down)
        if self.seen < self.minimum_seen:
            return False
        if max(self._up - self._low, self._high - self._down) > self.threshold:
            self.reset()
            return True
        return False

    def to_bytes(self) -> bytes:
        """All it remembers, 44 bytes, exact."""
        return self._LAYOUT.pack(self.seen, self._mean, self._up, self._down, self._low, self._high)

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: other bytes.
        """
        if len(data) != self._LAYOUT.size:
            raise DriftStateError("the state of a Page-Hinkley test", f"{len(data)} bytes", "drift")
        self.seen, self._mean, self._up, self._down, self._low, self._high = self._LAYOUT.unpack(data)


def _single(value: float) -> float:
    return float(np.float32(value))


# A change of the mean confidence below this does not matter.
_SIZE = 0.1
_LAYOUT = struct.Struct(f"<dIB{BLOCKS}f")
_PAGE = 44


@dataclass(frozen=True)
class ConfidenceChange:
    """The mean confidence of blocks before and after a change, which began `blocks` blocks ago."""

    before: float
    after: float
    blocks: int

    @property
    def step(self) -> float:
        """After less before, in units of the size that matters."""
        return (self.after - self.before) / _SIZE


class ConfidenceWatch:
    """The mean confidence of blocks, followed by ADWIN and Page and Hinkley's test."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self._means: list[float] = []
        self._adwin = Adwin(clock=1, levels=3, grace=BLOCKS // 2)
        self._page = PageHinkley(delta=_SIZE / 2, threshold=8 * _SIZE, minimum=BLOCKS // 2)

    def push(self, confidence: float) -> None:
        """Take an answer's confidence, 0 to 1; one that is not finite, or 0 (no answer), is passed over."""
        if math.isfinite(confidence) and confidence > 0:
            self._sum, self._count = self._sum + confidence, self._count + 1

    def close(self) -> ConfidenceChange | None:
        """End the block; the change, where there is one that matters."""
        if not self._count:
            return None
        # float32 as it is saved, so that going on from a state changes nothing.
        mean = struct.unpack("<f", struct.pack("<f", self._sum / self._count))[0]
        self._sum, self._count = 0.0, 0
        self._means = [*self._means, mean][-BLOCKS:]
        reported = self._page.update(mean)
        if not (self._adwin.update(mean) or reported):
            return None
        return self._step()

    def _step(self) -> ConfidenceChange | None:
        best: ConfidenceChange | None = None
        weight = 0.0
        for cut in range(2, len(self._means) - 1):
            before, after = self._means[:cut], self._means[cut:]
            change = ConfidenceChange(sum(before) / len(before), sum(after) / len(after), len(after) - 1)
            if abs(change.step) * math.sqrt(len(before) * len(after)) > weight:
                best, weight = change, abs(change.step) * math.sqrt(len(before) * len(after))
        return best if best is not None and abs(best.step) >= 1 else None

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        filled = [*self._means, *[0.0] * (BLOCKS - len(self._means))]
        head = _LAYOUT.pack(self._sum, self._count, len(self._means), *filled)
        return head + self._page.to_bytes() + self._adwin.to_bytes()

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: other bytes.
        """
        if len(data) < _LAYOUT.size + _PAGE:
            raise DriftStateError("the state of a confidence", f"{len(data)} bytes", "drift")
        self._sum, self._count, kept, *means = _LAYOUT.unpack(data[: _LAYOUT.size])
        self._means = means[:kept]
        self._page.restore(data[_LAYOUT.size : _LAYOUT.size + _PAGE])
        self._adwin.restore(data[_LAYOUT.size + _PAGE :])
