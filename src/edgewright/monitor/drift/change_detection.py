"""Whether a series changed on the way: ADWIN and Page and Hinkley's test, each in a fixed number of bytes."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from edgewright.core.errors import DriftStateError
from edgewright.monitor.drift.sketch import BLOCKS

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
