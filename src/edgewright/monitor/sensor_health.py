"""Whether sensors are well: channels that stand still, channels without values, rows at another rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

LEAST_STUCK = 200
"""Rows without a change, however long they take, before a channel counts as stuck: slow sensors repeat themselves."""

# Share of its usual change from which on a channel moves; blocks of `stuck` seconds that this is the mean of.
# A block counts as four times what was usual at most, and begins anew what was a hundred times as much: wild values.
_MOVES, _BLOCKS, _MORE, _LESS = 0.5, 1000, 4.0, 100.0
_REGULAR = 0.5  # share of intervals that are as expected where rows are lost, and the rate is right
_GAPS, _ALONE = 10, 2  # gaps in a row, with so many rows between two of them, that are a rate and not a fault


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Something about the source or a sensor that is not well, or is well again.

    Attributes:
        time: seconds of the stream at the row that showed it.
        kind: 'source', 'gap', 'clock', 'rate', 'stuck', 'missing', 'well', or of rows that were left out or made up:
            'duplicate', 'late', 'surplus', 'stray', 'filled', 'lost'.
        text: for people: 'gap of 1.2 s', 'stuck: acc_x 30 s', 'rate 41.3 instead of 50 Hz'.
        channel: whose, where it is one's.
        amount: seconds, rows or Hz.
    """

    time: float
    kind: str
    text: str
    channel: str = ""
    amount: float = 0.0


def _changes(values: Floats, before: Floats) -> NDArray[np.float64]:
    """Return how far values are from those before; 0 where either is missing."""
    return np.asarray(np.fmax(np.abs(values.astype(np.float64) - before), 0.0), np.float64)


class SensorHealth:
    """Follows each channel: for how many rows it has not changed, and for how many it had no value.

    A channel of coarse steps stands still where its device rests, and moves with it. Rows count against a channel that
    stands still unless others change, and none of them by half of what it usually does.

    Args:
        names: of the channels.
        rate: rows a second.
        stuck: seconds of rows that count, and at least `LEAST_STUCK` of them, after which a channel is stuck; 0: never.
        missing: seconds without a value after which a channel is missing; 0: never.
        rests: channels that may stand still.

    Attributes:
        last: the newest row, shape (channels,).
    """

    KEPT = ("last", "_same", "_absent", "_unwell", "_counted", "_usual", "_sum", "_seen")
    ADDED: ClassVar = {"_counted": "_same", "_usual": "", "_sum": "", "_seen": ""}

    def __init__(
        self, names: Sequence[str], rate: float, *, stuck: float, missing: float, rests: Sequence[str] = ()
    ) -> None:
        self._names, self._rate = tuple(names), rate
        never = 1 << 62
        self._stuck_rows = max(LEAST_STUCK, math.ceil(stuck * rate)) if stuck else never
        self._missing_rows = max(1, math.ceil(missing * rate)) if missing else never
        self._limit = np.array([never if name in rests else self._stuck_rows for name in self._names], np.int64)
        self.last = np.full(len(self._names), np.nan, np.float32)
        self._same = np.zeros(len(self._names), np.int64)
        self._counted = np.zeros(len(self._names), np.int64)
        self._usual, self._sum, self._seen = np.zeros(len(self._names)), np.zeros(len(self._names)), 0
        self._absent = np.zeros(len(self._names), np.int64)
        self._unwell = False

    def check(self, values: Floats, times: Sequence[float], notices: list[Health]) -> NDArray[np.bool_]:
        """Follow rows, in order; what is found is appended.

        Args:
            values: shape (n, channels), n at least 1.
            times: of the rows, seconds.
            notices: receives stuck, missing and well.

        Returns:
            Shape (n,): whether all channels were well at that row.
        """
        rows = len(values)
        if rows == 1 and not self._unwell and self._single(values[0]):
            return np.ones(1, np.bool_)
        location = np.arange(rows, dtype=np.int64)[:, None]
        before = np.concatenate([self.last[None], values[:-1]])
        same = values == before
        known = ~np.isnan(values)
        changes, parts, start = _changes(values, before), [], 0
        while start < rows:
            part = changes[start : start + self._stuck_rows - self._seen % self._stuck_rows]
            parts.append(self._counts(part))
            self._follow(part)
            start += len(part)
        count = np.cumsum(np.concatenate(parts), dtype=np.int64)[:, None]
        # Rows since the last change, itself included, those of them that count, and rows since the last value.
        still = location + 1 - np.maximum.accumulate(np.where(same, -self._same, location), axis=0)
        counted = count - np.maximum.accumulate(np.where(same, -self._counted, count - 1), axis=0)
        absent = location - np.maximum.accumulate(np.where(known, location, -1 - self._absent), axis=0)
        bad = (counted >= self._limit) | (absent >= self._missing_rows)
        if self._unwell or bad.any():
            self._report(still, counted, absent, times, notices)
        self.last, self._same, self._absent = values[-1].copy(), still[-1], absent[-1]
        self._counted = counted[-1]
        self._unwell = bool(bad[-1].any())
        return np.asarray(~bad.any(axis=1), np.bool_)

    def _single(self, row: Floats) -> bool:
        """One row after well ones, in a third of the time; False, and nothing changed, where a channel is not well."""
        same = row == self.last
        absent = (self._absent + 1) * np.isnan(row)
        if (self._counted + 1 >= self._limit)[same].any() or (absent >= self._missing_rows).any():
            return False
        changes = _changes(row, self.last)
        counts = not same.any() or bool(self._counts(changes[None])[0])
        self._follow(changes[None])
        self._same, self._counted = self._same * same + 1, self._counted * same + (counts | ~same)
        self.last, self._absent = row.copy(), absent
        return True

    def _counts(self, changes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows count against a channel that stands still; shape (n,), of changes (n, channels)."""
        moved = changes > 0
        return np.asarray((moved & (changes >= _MOVES * self._usual)).any(1) | ~moved.any(1), np.bool_)

    def _follow(self, changes: NDArray[np.float64]) -> None:
        """Follow what channels usually do by rows of one block."""
        # Added one by one, so that packets change nothing.
        rows = len(changes)
        self._sum = np.add.accumulate(np.vstack([self._sum, changes]))[-1] if rows > 1 else self._sum + changes[0]
        self._seen += rows
        if self._seen % self._stuck_rows:
            return
        mean, blocks = self._sum / self._stuck_rows, min(self._seen // self._stuck_rows, _BLOCKS)
        mean = np.where(self._usual > 0, np.minimum(mean, _MORE * self._usual), mean)
        usual = np.where(self._usual > _LESS * mean, mean, self._usual + (mean - self._usual) / blocks)
        self._usual, self._sum = np.where(mean > 0, usual, self._usual), np.zeros_like(mean)

    def _report(
        self,
        still: NDArray[np.int64],
        counted: NDArray[np.int64],
        absent: NDArray[np.int64],
        times: Sequence[float],
        notices: list[Health],
    ) -> None:
        changes: list[tuple[int, int, Health]] = []
        before_still = np.concatenate([self._same[None], still[:-1]])
        before_absent = np.concatenate([self._absent[None], absent[:-1]])
        before_counted = np.concatenate([self._counted[None], counted[:-1]])
        for row, c in np.argwhere((counted >= self._limit) & (before_counted < self._limit)).tolist():
            changes.append((row, c, self._health(times[row], "stuck", c, int(still[row, c]) / self._rate)))
        for row, c in np.argwhere(absent == self._missing_rows).tolist():
            changes.append((row, c, self._health(times[row], "missing", c, self._missing_rows / self._rate)))
        for row, c in np.argwhere((before_counted >= self._limit) & (counted < self._limit)).tolist():
            changes.append(
                (row, c, self._health(times[row], "well", c, int(before_still[row, c]) / self._rate, "stuck"))
            )
        for row, c in np.argwhere((before_absent >= self._missing_rows) & (absent == 0)).tolist():
            changes.append(
                (row, c, self._health(times[row], "well", c, int(before_absent[row, c]) / self._rate, "missing"))
            )
        notices += [
            health for _, _, health in sorted(changes, key=lambda change: (change[0], change[1], change[2].kind))
        ]

    def _health(self, time: float, kind: str, channel: int, seconds: float, after: str = "") -> Health:
        name = self._names[channel]
        text = f"well: {name} after {seconds:.3g} s {after}" if after else f"{kind}: {name} {seconds:.3g} s"
        return Health(time=time, kind=kind, text=text, channel=name, amount=seconds)


class RateCheck:
    """Rows a second as they come, over stretches without a gap.

    Args:
        rate: that is expected.
        tolerance: relative difference that is still right.

    Attributes:
        wrong: whether the last stretch was off.
    """

    KEPT = ("_begin", "_count", "wrong", "_gaps", "_first", "_came", "_usual", "_before")
    ADDED: ClassVar = {"_usual": "", "_before": ""}

    def __init__(self, rate: float, tolerance: float) -> None:
        self._rate, self._tolerance = rate, tolerance
        # Two seconds and fifty rows: shorter ones measure the jitter.
        self._rows = max(50, math.ceil(2 * rate))
        self._begin: float | None = None
        self._count = 0
        self.wrong = False
        self._gaps, self._first, self._came = 0, 0.0, 0
        self._usual, self._before = 0, math.nan

    def restart(self, time: float) -> None:
        """Begin a new stretch with a row at this time."""
        self._begin, self._count = time, 0
        self._usual, self._before = 0, time

    def row(self, time: float, steps: int) -> Health | None:
        """Take a row, `steps` by the sender's count (0 begins a stretch); return a notice where the rate changed."""
        if self._begin is None:
            self.restart(time)
            return None
        self._count += steps
        self._usual += abs((time - self._before) * self._rate - 1) <= self._tolerance
        self._before = time
        if self._count < self._rows or time <= self._begin:
            return None
        measured = self._count / (time - self._begin)
        lost = measured < self._rate and self._usual >= _REGULAR * self._count
        self._gaps = 0
        self.restart(time)
        return self._measured(time, measured, lost=lost)

    def gap(self, time: float, *, counted: bool) -> Health | None:
        """Take a row behind a gap; return a notice where the rate is wrong.

        A source far slower than is expected leaves a gap at every row, and no stretch that could be measured. Where
        `_GAPS` of them follow one another with no more than `_ALONE` rows to each, what came meanwhile is the rate.

        Args:
            time: of the row, seconds.
            counted: whether the sender's count says that rows were lost: then its rate may be right.
        """
        rows = self._count + 1
        if counted or rows > _ALONE:
            self._gaps = 0
        self._came = self._came + rows if self._gaps else 0
        self._first = self._first if self._gaps else time
        self._gaps = 0 if counted else self._gaps + 1
        self.restart(time)
        if self._gaps <= _GAPS:
            return None
        measured = self._came / (time - self._first)
        self._gaps = 0
        return self._measured(time, measured)

    def _measured(self, time: float, measured: float, *, lost: bool = False) -> Health | None:
        """Return what is to be told of rows a second that were measured, and where the sender's rate is right though.

        Args:
            time: of the last row, seconds.
            measured: rows a second.
            lost: whether rows that came one after the other came at the right rate, so that others are missing.
        """
        wrong = abs(measured - self._rate) > self._tolerance * self._rate
        changed, self.wrong = wrong != self.wrong, wrong
        if not changed:
            return None
        if wrong and lost:
            text = f"{1 - measured / self._rate:.0%} of the rows are lost"
            return Health(time=time, kind="lost", text=text, amount=measured)
        text = f"rate {measured:.3g} instead of {self._rate:g} Hz" if wrong else f"well: rate {measured:.3g} Hz"
        return Health(time=time, kind="rate" if wrong else "well", text=text, amount=measured)
