"""All channels of a stream: blocks, events when one drifts, a state that is saved, summaries that add up."""

from __future__ import annotations

import math
import struct
import zlib
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import are_even, families
from edgewright.core.errors import DriftReferenceError, DriftStateError
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Event
from edgewright.core.records.package import Manifest, ReferenceColumn
from edgewright.monitor.drift.change_detection import (
    BLOCKS,
    SKETCH_BYTES,
    Adwin,
    ConfidenceWatch,
    OpenBlock,
    PageHinkley,
    Ring,
    Sketch,
    bins_of,
)
from edgewright.monitor.drift.cross_channel import FaultDiagnosis, JointMonitor
from edgewright.monitor.drift.motion_monitor import MotionChange, MotionMonitor
from edgewright.monitor.drift.reference_test import LENGTHS, TESTS, Finding, Sizes, changed, compare, scale_of

# Change of the mean is looked for within this many deviations of training.
_SPAN = 4.0
_CHANNEL_HEAD = struct.Struct("<BBHHHd")


class ChannelWatch:
    """A channel against its reference.

    Args:
        column: of the package.
        sizes: that matter.
        alpha: probability of a false alarm that one test of one block may have.
        worn: whether it is an axis of a motion sensor: how somebody wears it and moves changes its mean, spread and
            shape, so that only values never seen in training and missing ones count.

    Attributes:
        total: all rows so far.
        finding: of the last look; None before the first.
        drifted: whether the channel has drifted and has not come back since.
        since: time with which that began, as `DriftWatch` told it; NaN where it has not drifted.
    """

    def __init__(self, column: ReferenceColumn, sizes: Sizes, alpha: float, *, worn: bool = False) -> None:
        self.column, self.sizes, self.alpha, self._worn = column, sizes, alpha, worn
        self.bins = bins_of(column)
        self.total, self.ring = Sketch(), Ring()
        self._open = OpenBlock(self.bins, column.mean)
        # Two tests over the means of blocks; a look at every block, as blocks are few.
        self._adwin = Adwin(clock=1, levels=3, grace=BLOCKS // 2)
        self._page = PageHinkley(delta=0.25, threshold=4.0, minimum=BLOCKS // 2)
        self.finding: Finding | None = None
        self.drifted, self.since = False, math.nan
        self._pending_blocks = 0  # blocks for which a change that one of the tests told is still looked into

    def push(self, values: NDArray[np.float32]) -> None:
        """Take rows of the open block, shape (rows,), NaN where missing."""
        self._open.add(values)

    def close(self) -> Finding | None:
        """End the block; what was found, where the channel has begun to drift with it."""
        block = self._open.close()
        self.total.add(block)
        self.ring.push(block)
        change = self._changed(block)
        self.finding, beyond = compare(self.ring, self.column, self.bins, self.sizes, self.alpha)
        if self._worn:
            beyond, change = beyond and self.finding.test in ("missing", "outside"), None
        began = beyond and not self.drifted
        if beyond:
            self.drifted = True
        elif self.finding.score < 0.5 or self._worn:
            self.drifted, self.since = False, math.nan
        if began:
            return self.finding
        return None if self.drifted else change

    def _changed(self, block: Sketch) -> Finding | None:
        """Return a change on the way: one of the two tests says so, and one rhythm differs from the one before."""
        self._pending_blocks = max(0, self._pending_blocks - 1)
        if not block.present:
            return None
        z = (block.mean - self.column.mean) / scale_of(self.column)
        z = min(max(z, -_SPAN), _SPAN)
        reported = self._page.update(z)
        if self._adwin.update((z + _SPAN) / (2 * _SPAN)) or reported:
            self._pending_blocks = BLOCKS
        change = changed(self.ring, self.column, self.sizes, self.alpha) if self._pending_blocks else None
        if change is not None:
            self._pending_blocks = 0
        return change

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        ring, adwin, page = self.ring.to_bytes(), self._adwin.to_bytes(), self._page.to_bytes()
        head = _CHANNEL_HEAD.pack(self.drifted, self._pending_blocks, len(ring), len(adwin), len(page), self.since)
        return head + self.total.to_bytes() + self._open.sums.to_bytes() + ring + adwin + page

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`, as if it had never stopped.

        Raises:
            InputError: other bytes.
        """
        start = _CHANNEL_HEAD.size
        if len(data) < start + 2 * SKETCH_BYTES:
            raise DriftStateError("the state of a channel", f"{len(data)} bytes", f"drift, {self.column.name}")
        drifted, record, *lengths, since = _CHANNEL_HEAD.unpack(data[:start])
        parts = []
        for length in (SKETCH_BYTES, SKETCH_BYTES, *lengths):
            parts.append(data[start : start + length])
            start += length
        if start != len(data):
            raise DriftStateError(f"a state of {start} bytes", str(len(data)), f"drift, {self.column.name}")
        self.drifted, self._pending_blocks, self.since = bool(drifted), record, since
        self.total = Sketch.from_bytes(parts[0])
        self._open.sums = Sketch.from_bytes(parts[1])
        self.ring.restore(parts[2])
        self._adwin.restore(parts[3])
        self._page.restore(parts[4])
        if len(self.ring):
            self.finding = compare(self.ring, self.column, self.bins, self.sizes, self.alpha)[0]


# 2: with what channels are together, where the package knows that. 3: with motion sensors, where it knows those.
_VERSION = 3
_HEAD = struct.Struct("<BIIdH")
_LEAST_ROWS = 8
_PER_RHYTHM = LENGTHS[0]


class DriftConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How drift is looked for.

    Attributes:
        rhythm: seconds in which a stream shows all it does: a day of a room, half an hour of a person with many
            tasks. Nothing is judged before; without a rate these are rows, or readings where a row is a series.
        false_alarms: a day of the whole stream that may come of chance; without a rate, in a rhythm's rows times 24.
        sizes: differences that matter.
    """

    rhythm: float = 3600.0
    false_alarms: float = 1 / 7
    sizes: Sizes = Sizes()


class DriftWatch:
    """The channels of one stream against the reference statistics of a package.

    Args:
        reference: of the package, in the order of the columns.
        rate: rows a second; None where nobody knows.
        config: how.
        joint: of the package, and its columns; None where channels are looked at one by one only.
        readings: values one after the other that a row holds; without a rate, a rhythm is so many readings.
        motion: of the package, where it has motion sensors.

    Raises:
        InputError: no reference, or a setting that is not possible.
    """

    def __init__(
        self,
        reference: Sequence[ReferenceColumn],
        rate: float | None,
        config: DriftConfig | None = None,
        joint: JointMonitor | None = None,
        readings: int = 1,
        motion: MotionMonitor | None = None,
    ) -> None:
        self.config = config or DriftConfig()
        if not reference:
            raise DriftReferenceError("reference statistics of the columns", "none", "the package")
        if not self.config.rhythm > 0 or not 0 < self.config.false_alarms <= 1000:
            got = f"{self.config.rhythm:g}, {self.config.false_alarms:g}"
            raise DriftReferenceError("a rhythm above 0 and false alarms above 0", got, "drift")
        self.rate = rate
        self.block = max(_LEAST_ROWS, round(self.config.rhythm * (rate or 1.0 / readings) / _PER_RHYTHM))
        # A block is so much of a day: what may come of chance is shared by all tests of all channels.
        days = self.block / rate / 86400 if rate else 1 / (24 * _PER_RHYTHM)
        alpha = min(0.05, self.config.false_alarms * days / (TESTS * len(LENGTHS) * len(reference)))
        self.alpha = alpha
        worn = () if motion is None else motion.channels
        self.channels = tuple(
            ChannelWatch(column, self.config.sizes, alpha, worn=index in worn) for index, column in enumerate(reference)
        )
        self.confidence = ConfidenceWatch()
        self.joint, self.motion = joint, motion
        self._filled = 0
        self.rows = 0
        # When each block of the rings began: common to all channels.
        self._began: deque[float] = deque(maxlen=BLOCKS)
        self._start = 0.0

    @property
    def blocks(self) -> int:
        """Blocks so far; judged from `LENGTHS[0]` on."""
        return self.rows // self.block

    @property
    def left(self) -> int:
        """Rows until the block ends, at least 1."""
        return self.block - self._filled

    def push(self, values: Floats, time: NDArray[np.float64]) -> list[Event]:
        """Take rows in order; those of a second at a time cost a fortieth of rows one by one, and give the same.

        Args:
            values: shape (rows, channels), NaN where missing.
            time: shape (rows,), seconds.

        Returns:
            A drift event for each channel that has begun to drift; its `score` is the size of the difference over the
            size that matters, `detail['since']` the time from which on it is seen.

        Raises:
            InputError: rows of another number of channels.
        """
        if values.ndim != 2 or values.shape[1] != len(self.channels):
            raise DriftReferenceError(f"rows of {len(self.channels)} channels", f"shape {values.shape}", "drift")
        events: list[Event] = []
        position = 0
        while position < len(values):
            end = min(len(values), position + self.block - self._filled)
            if not self._filled:
                self._start = float(time[position])
            for index, channel in enumerate(self.channels):
                channel.push(np.ascontiguousarray(values[position:end, index], np.float32))
            if self.joint is not None:
                self.joint.push(values[position:end])
            if self.motion is not None:
                self.motion.push(values[position:end])
            self._filled += end - position
            self.rows += end - position
            if self._filled == self.block:
                self._filled = 0
                self._began.append(self._start)
                events += self._close(float(time[end - 1]))
            position = end
        return events

    def answered(self, confidence: float) -> None:
        """Take the confidence of an answer to the rows so far; its drift is told at the end of the block."""
        self.confidence.push(confidence)

    def _close(self, time: float) -> list[Event]:
        events = []
        for channel in self.channels:
            finding = channel.close()
            if finding is not None:
                events.append(self._event(channel, finding, time))
        if self.joint is not None and (named := self.joint.close()) is not None:
            events.append(self._changed(named, time))
        if self.motion is not None and (change := self.motion.close()) is not None:
            events.append(self._moved(change, self.motion, time))
        doubt = self.confidence.close()
        if doubt is not None:
            began = self._began[max(0, len(self._began) - 1 - doubt.blocks)]
            detail = {"test": "change", "since": began, "from": doubt.before, "to": doubt.after}
            events.append(Event(kind="drift", time=time, label="confidence", score=abs(doubt.step), detail=detail))
        return events

    def _changed(self, named: FaultDiagnosis, time: float) -> Event:
        """Return what changed between channels, in words; the channels of the likeliest change are its label."""
        since = self._began[max(0, len(self._began) - named.blocks)]
        label = ", ".join(self.channels[i].column.name for i in named.faults[0].channels)
        detail = {"test": "together", "since": since, "change": ", or ".join(fault.text for fault in named.faults)}
        return Event(kind="drift", time=time, label=label, score=named.score, detail=detail)

    def _moved(self, change: MotionChange, motion: MotionMonitor, time: float) -> Event:
        """Return what changed of motion sensors, in words."""
        since = self._began[max(0, len(self._began) - motion.blocks)]
        label = ", ".join(self.channels[motion.channels[axis]].column.name for axis in change.channels)
        detail = {"test": "motion", "since": since, "change": change.text}
        return Event(kind="drift", time=time, label=label, score=1.0, detail=detail)

    def _event(self, channel: ChannelWatch, finding: Finding, time: float) -> Event:
        since = self._began[min(finding.since, len(self._began) - 1)]
        if channel.drifted:
            channel.since = since
        detail = {
            "test": finding.test,
            "since": since,
            "shift": round(finding.shift, 4),
            "ratio": round(finding.ratio, 4),
            "psi": round(finding.psi, 4),
        }
        return Event(kind="drift", time=time, label=channel.column.name, score=finding.score, detail=detail)

    def state(self) -> bytes:
        """All it remembers, exact: `restore` goes on as if it had never stopped."""
        parts = [struct.pack(f"<{len(self._began)}d", *self._began), self.confidence.to_bytes()]
        parts += [channel.to_bytes() for channel in self.channels]
        parts += [part.to_bytes() for part in (self.joint, self.motion) if part is not None]
        head = _HEAD.pack(_VERSION, self.block, self._filled, self._start, len(parts))
        body = b"".join(struct.pack("<H", len(part)) + part for part in parts)
        state = head + struct.pack("<Q", self.rows) + body
        return state + struct.pack("<I", zlib.crc32(state))

    def restore(self, data: bytes) -> None:
        """Go on from `state()` of a watch of the same reference, rate and settings.

        Raises:
            InputError: no state, a damaged one, or that of a watch of other channels, another rate or rhythm.
        """
        start = _HEAD.size + 8
        wrong = DriftStateError("the state of a drift monitor", f"{len(data):,} bytes of something else, or damaged",
                           "drift")  # fmt: skip
        if len(data) < start + 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise wrong
        data = data[:-4]
        version, block, filled, began, count = _HEAD.unpack(data[: _HEAD.size])
        if version > _VERSION:
            raise DriftStateError(f"a state of version {_VERSION}", str(version), "drift", "Upgrade edgewright")
        if block != self.block:
            raise DriftStateError(f"a state in blocks of {self.block:,} rows", f"blocks of {block:,}", "drift",
                             "Give the rhythm it was made with, or start over")  # fmt: skip
        wanted = len(self.channels) + 2 + (version > 1 and self.joint is not None)
        wanted += version > 2 and self.motion is not None
        if count != wanted:
            raise DriftStateError(f"a state of {len(self.channels)} channels", f"{count - 2}", "drift",
                             "It belongs to another package")  # fmt: skip
        if filled >= block:
            raise wrong
        parts = []
        for _ in range(count):
            length = int.from_bytes(data[start : start + 2], "little")
            parts.append(data[start + 2 : start + 2 + length])
            start += 2 + length
        if start != len(data) or len(parts[0]) % 8 or len(parts[0]) > 8 * BLOCKS:
            raise wrong
        self._began = deque(struct.unpack(f"<{len(parts[0]) // 8}d", parts[0]), maxlen=BLOCKS)
        self.confidence.restore(parts[1])
        if self.motion is not None and version > 2:
            self.motion.restore(parts.pop())
        if self.joint is not None and version > 1:
            self.joint.restore(parts.pop())
        for channel, part in zip(self.channels, parts[2:], strict=True):
            channel.restore(part)
        self._filled, self._start = filled, began
        self.rows = int.from_bytes(data[_HEAD.size : _HEAD.size + 8], "little")

    def summary(self) -> bytes:
        """Return the sketches of all channels since the beginning, which add up over several devices."""
        return b"".join(channel.total.to_bytes() for channel in self.channels)


def watch_of(manifest: Manifest, config: DriftConfig | None = None, rate: float | None = None) -> DriftWatch:
    """Return a watch of the columns of a package; `rate` is that of its rows, of its window when left out.

    Raises:
        InputError: as `DriftWatch`.
    """
    config = config or DriftConfig()
    rate = rate or (manifest.window.rate if manifest.window else None)
    joint, motion = None, None
    if manifest.motion is not msgspec.UNSET:
        # Gravity says more of motion sensors than products of channels do, which differ from wearer to wearer.
        motion = MotionMonitor(manifest.motion, manifest.columns)
    elif manifest.joint is not None:
        joint = JointMonitor(manifest.joint, manifest.columns, config.rhythm)
    numbers = list(next(iter(families(column.name for column in manifest.reference).values()), {}))
    is_series = manifest.window is None and are_even(numbers) and 2 * len(numbers) > len(manifest.reference)
    return DriftWatch(manifest.reference, rate, config, joint, len(numbers) if is_series else 1, motion)


def unnoticed(manifest: Manifest) -> tuple[str, ...]:
    """Return changes of a stream that a watch of a package does not notice, in words.

    Those of motion sensors were simulated when the package was made; others follow from the tests that there are.
    """
    motion = None if manifest.motion is msgspec.UNSET else manifest.motion
    worn = () if motion is None else (*motion.acceleration, *motion.rotation)
    missed = () if motion is None else motion.unnoticed
    if not manifest.reference:
        return (*missed, "drift of any column, because the package has no reference statistics")
    if len(worn) == len(manifest.reference):
        return missed
    sizes = Sizes()
    mean = f"a mean that moves by less than {sizes.mean:g} standard deviations of the training data"
    missed = (*missed, mean, f"a spread that grows by less than {100 * (sizes.deviation - 1):.0f} %")
    if manifest.joint is None or motion is not None:
        missed = (*missed, "swapped channels that look alike", "a gain that several channels share")
    return missed
