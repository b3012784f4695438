"""From packets to an ordered series of rows at a nominal rate: gaps, duplicates, late rows and jumping clocks treated.

Rows are handled one by one, so packets change nothing; docs/adr/0022-sources-and-time.md tells the whole of it.
"""

from __future__ import annotations

import ctypes
import heapq
import math
from collections.abc import Callable, Sequence
from functools import cache
from time import monotonic
from time import time as system_time
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DeviceSettingsError
from edgewright.core.formatting import duration_text
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Packet
from edgewright.monitor.sensor_health import Health, RateCheck, SensorHealth


class RowNotices:
    """Notices of a timeline, those of one kind at most every few seconds.

    Args:
        every: seconds between two notices of the same kind that are counted.

    Attributes:
        notices: notices that nobody has taken yet, in order.
    """

    KEPT = ("_told", "_left")
    ADDED: ClassVar = {"_left": ""}

    def __init__(self, every: float) -> None:
        self.notices: list[Health] = []
        self._every = every
        self._told: dict[str, float] = {}
        self._left: dict[str, tuple[int, float]] = {}

    def add(self, time: float, kind: str, text: str, amount: float = 0.0) -> None:
        """Add a notice at `time` seconds of the stream."""
        self.notices.append(Health(time=time, kind=kind, text=text, amount=amount))

    def count(self, kind: str, time: float, due: float, *, times: int = 1, amount: float = 0.0) -> None:
        """Add a notice at once where it is the first of its kind for a while; else count it.

        Args:
            kind: 'gap', 'clock', or rows left out or made up: 'duplicate', 'late', 'surplus', 'stray', 'filled'.
            time: seconds of the stream at the last row.
            due: seconds of the stream now.
            times: how many.
            amount: seconds that the gaps lasted, or that the clock jumped by.
        """
        before, sum_before = self._left.get(kind, (0, 0.0))
        self._left[kind] = before + times, sum_before + amount
        if due - self._told.get(kind, -math.inf) >= self._every:
            self._report(kind, time, due)

    def flush(self, time: float, due: float) -> None:
        """Add notices of all that was counted."""
        for kind in list(self._left):
            self._report(kind, time, due)

    def given(self) -> list[Health]:
        """Return what was found since the last call."""
        notices, self.notices = self.notices, []
        return notices

    def _report(self, kind: str, time: float, due: float) -> None:
        times, amount = self._left.pop(kind)
        self._told[kind] = due
        if kind == "gap":
            text = f"gap of {duration_text(amount)}" if times == 1 else f"{times} gaps, {duration_text(amount)} in all"
        elif kind == "clock":
            by = f"{'+' if amount > 0 else ''}{duration_text(amount)}"
            text = f"clock jumped by {by}" if times == 1 else f"clock jumped {times} times, by {by} in all"
        else:
            text, amount = f"{kind}: {times} row{'s' if times > 1 else ''}", float(times)
        self.add(time, kind, text, amount)


Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]


class TimelineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows become a timeline.

    Attributes:
        fill: seconds of lost rows that are drawn as a straight line; a single row always is. Longer ones are a gap.
        wait: seconds that rows are held back so that late ones find their place; 0 gives every row at once.
        jump: seconds; a step of time beyond them counts only when the next row confirms it.
        stuck: seconds without a change, while others move or none does, after which a channel is not well; 0: never.
        rests: channels that may stand still.
        missing: seconds without a value after which a channel is not well; 0: never.
        tolerance: relative difference of the rate that is still right.
        report: seconds between two notices about rows left out or made up, which are counted in between.
    """

    fill: Seconds = 0.1
    wait: Seconds = 0.0
    jump: Seconds = 60.0
    stuck: Seconds = 30.0
    rests: tuple[str, ...] = ()
    missing: Seconds = 2.0
    tolerance: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.1
    report: Seconds = 10.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in order, one period apart.

    Attributes:
        values: shape (rows, channels), float32, NaN where missing.
        time: shape (rows,), seconds, rising; the device's own up to the first jump of its clock.
        gap_before: whether rows are missing before the first: no window may reach over it.
        healthy: shape (rows,): whether all channels and the rate were well; an answer that rests on others is doubted.
    """

    values: Floats
    time: NDArray[np.float64]
    gap_before: bool
    healthy: NDArray[np.bool_]


# A row belongs to the slot that is due while it is less than three quarters of a period off; the due time follows the
# rows by a tenth of that, so that a clock up to 7 % off is followed without a row filled in or left out.
_NEAR, _GAIN = 0.75, 0.1
_BACK = 5.0  # seconds that a row may be older than the newest and still be a late one, not a clock that was set back


class Timeline:
    """The timeline of one stream; holds at most the rows of `wait` seconds.

    Args:
        rate: nominal, rows a second.
        channels: their names, in order.
        config: how rows are treated.

    Raises:
        InputError: for a rate that is none.
    """

    KEPT = ("_sensors", "_speed", "_newest", "_begun", "_due", "_last", "_offset", "_count", "_wrong_rate",
            "_notices", "_gap", "_first", "_held", "_arrived", "_suspect")  # fmt: skip
    ADDED: ClassVar = {"_held": "", "_arrived": "", "_suspect": ""}

    def __init__(self, rate: float, channels: Sequence[str], config: TimelineConfig | None = None) -> None:
        if not (math.isfinite(rate) and rate > 0):
            raise DeviceSettingsError("rows a second above 0", f"{rate}", "rate")
        self.config = config or TimelineConfig()
        self._rate, self._period, self._channels = rate, 1.0 / rate, len(channels)
        self._fill = max(1, round(self.config.fill * rate))
        timeline_config = self.config
        self._sensors = SensorHealth(
            channels, rate, stuck=timeline_config.stuck, missing=timeline_config.missing, rests=timeline_config.rests
        )
        self._speed = RateCheck(rate, self.config.tolerance)
        self._held: list[tuple[float, int, int | None, Floats]] = []
        self._arrived, self._newest = 0, -math.inf
        self._most_held = 1000 + math.ceil(4 * self.config.wait * rate)
        self._begun = self._wrong_rate = False
        self._due = self._last = self._offset = 0.0
        self._count: int | None = None
        self._suspect: tuple[float, int | None, Floats] | None = None
        self._notices = RowNotices(timeline_config.report)
        self._gap = True
        self._run: list[tuple[Floats, list[float], NDArray[np.bool_]]] = []
        self._ready: list[Ready] = []
        self._first = 0.0  # what is told before the first row is out has the time at which rows began to come

    def push(self, packet: Packet) -> tuple[list[Ready], list[Health]]:
        """Take a packet of this stream.

        Returns:
            The rows that are ready, cut where a gap is, and what is to be told.

        Raises:
            InputError: when its rows have another number of channels.
        """
        # A packet of no rows, sent before the columns were known, may be of any width.
        if packet.values.ndim != 2 or (len(packet.values) and packet.values.shape[1] != self._channels):
            raise DeviceSettingsError(f"rows of {self._channels} channels", f"shape {packet.values.shape}")
        if not self._begun and len(packet.time) and math.isfinite(packet.time[0]):
            self._first = float(packet.time[0])
        if packet.notice:
            self._notice("source", packet.notice)
        if packet.lost and packet.sequence is None:
            self._notice("lost", f"{packet.lost} rows lost by the source", amount=float(packet.lost))
        if not len(packet.values):
            return self._given()
        values = packet.values
        if np.isinf(values).any():
            values = np.where(np.isinf(values), np.float32(np.nan), values)
        times = packet.time.tolist()
        counts = packet.sequence.tolist() if packet.sequence is not None else None
        if self.config.wait:
            self._hold(times, counts, values)
        else:
            self._rows(times, counts, values)
        return self._given()

    def flush(self) -> tuple[list[Ready], list[Health]]:
        """Return what is still held: at the end of a stream, or when nothing came for a while."""
        while self._held:
            time, _, count, row = heapq.heappop(self._held)
            self._rows([time], None if count is None else [count], row[None])
        if self._suspect is not None:
            time, count, row = self._suspect
            self._suspect = None
            self._restart(time, count, row)
        self._notices.flush(self._time, self._due)
        return self._given()

    def _given(self) -> tuple[list[Ready], list[Health]]:
        self._cut(gap=False)
        ready, self._ready = self._ready, []
        return ready, self._notices.given()

    def _hold(self, times: list[float], counts: list[int] | None, values: Floats) -> None:
        """Keep rows until `wait` seconds later ones are there; a clock set back lets go of all that is held."""
        for i, time in enumerate(times):
            if not math.isfinite(time):
                time = self._newest if math.isfinite(self._newest) else 0.0
            if time < self._newest - max(_BACK, self.config.wait):
                self._release(math.inf)
                self._newest = -math.inf
            elif self._newest > -math.inf and time > self._newest + self.config.jump:
                self._release(math.inf)
            # Rows of one time stay in the order in which they came.
            heapq.heappush(self._held, (time, self._arrived, counts[i] if counts else None, values[i]))
            self._arrived += 1
            self._newest = max(self._newest, time)
            # A clock that stands still must not fill memory.
            full = len(self._held) > self._most_held
            self._release(self._held[0][0] if full else self._newest - self.config.wait)

    def _release(self, until: float) -> None:
        while self._held and self._held[0][0] <= until:
            time, _, count, row = heapq.heappop(self._held)
            self._rows([time], None if count is None else [count], row[None])

    def _rows(self, times: list[float], counts: list[int] | None, values: Floats) -> None:
        """Rows in the order in which they came: runs of those that were due together, the others one by one."""
        rate, period, start = self._rate, self._period, 0
        run: list[float] = []
        for i, given in enumerate(times):
            time = given + self._offset
            count = counts[i] if counts is not None else None
            if (
                self._begun
                and self._suspect is None
                and time > self._last
                and -_NEAR < (time - self._due) * rate < _NEAR
                and (count is None or self._count is None or count == self._count + 1)
            ):
                run.append(time)
                self._due += period + _GAIN * (time - self._due)
                self._last, self._count = time, count
                if (health := self._speed.row(time, 1)) is not None:
                    self._emit(values[start : i + 1], run)
                    start, run = i + 1, []
                    self._notices.notices.append(health)
                continue
            self._emit(values[start:i], run)
            start, run = i + 1, []
            self._odd(given if math.isfinite(given) else self._due - self._offset, count, values[i])
        self._emit(values[start:], run)

    def _odd(self, given: float, count: int | None, row: Floats) -> None:
        """Handle a row that is not simply the next one."""
        time = given + self._offset
        if not self._begun:
            self._begun, self._due = True, time
            self._accept(given, count, 1, row[None])
            return
        if self._suspect is not None:
            self._settle(*self._suspect, given, count, row)
            return
        ahead = None if count is None or self._count is None else count - self._count
        if ahead == 0 or (ahead is None and time == self._last):
            self._leave("duplicate")
        elif ahead == 1 and abs(time - self._due) <= self.config.jump:
            self._next_by_count(given, count, row)
        elif time > self._last and time - self._last <= self.config.jump and (ahead is None or ahead > 0):
            self._later(given, count, row, ahead)
        elif -_BACK - self.config.wait <= time - self._last <= 0 and (ahead is None or ahead < 0):
            self._leave("late")
        else:
            self._suspect = (given, count, row.copy())

    def _settle(
        self, then: float, counted: int | None, doubted: Floats, given: float, count: int | None, row: Floats
    ) -> None:
        """Settle a row that was doubted together with the next one: either both count, or the doubted one goes."""
        self._suspect = None
        agrees = 0 < given - then <= max(2.0, 5 * self._period)
        if agrees and (count is None or counted is None or count > counted):
            if counted is not None and self._count is not None and counted == self._count + 1:
                self._next_by_count(then, counted, doubted)
            else:
                self._restart(then, counted, doubted)
            self._rows([given], None if count is None else [count], row[None])
            return
        self._leave("stray")
        if abs(given + self._offset - self._due) <= self.config.jump:
            self._rows([given], None if count is None else [count], row[None])
        else:
            self._suspect = (given, count, row.copy())

    def _next_by_count(self, given: float, count: int | None, row: Floats) -> None:
        """Take the next row by the sender's count, whatever its clock says: a set clock or a delay."""
        off = given + self._offset - self._due
        if abs(off) > max(1.0, 2 * self._period) or given + self._offset <= self._last:
            if abs(off) > max(0.1, 2 * self._period):
                self._notices.count("clock", self._time, self._due, amount=off)
            self._offset -= off
        self._due = given + self._offset
        self._accept(given, count, 1, row[None])

    def _later(self, given: float, count: int | None, row: Floats, ahead: int | None) -> None:
        """Handle a row after a gap, or a duplicate."""
        time = given + self._offset
        off = (time - self._due) * self._rate
        if ahead is None and off <= -_NEAR:
            self._leave("surplus")
            if (health := self._speed.row(time, 1)) is not None:
                self._notices.notices.append(health)
                # No row goes out here, so that those that come next must know by themselves, in any packet.
                self._wrong_rate = self._speed.wrong
            return
        lost = int(off + 0.5) if ahead is None else ahead - 1
        steps = 1 if ahead is None else ahead
        if lost > self._fill:
            steps = 0  # a stretch begins with this row: what is lost before is not of it
            self._notices.count("gap", self._time, time, amount=time - self._last)
            self._cut(gap=True)
            if (health := self._speed.gap(time, counted=ahead is not None)) is not None:
                self._notices.notices.append(health)
        elif lost > 0:
            # The straight line from the row before to this one.
            part = np.arange(1, lost + 1, dtype=np.float32)[:, None] / np.float32(lost + 1)
            step, before = (time - self._last) / (lost + 1), self._sensors.last
            self._emit(before + (row - before) * part, [self._last + step * k for k in range(1, lost + 1)])
            self._leave("filled", lost)
        self._due = time
        self._accept(given, count, steps, row[None])

    def _restart(self, given: float, count: int | None, row: Floats) -> None:
        """Continue at another time after a confirmed jump of the clock."""
        time = given + self._offset
        off = time - self._due
        began = count is not None and self._count is not None and count <= self._count
        text = "the sender restarted, " if began else ""
        self._notice("clock", f"{text}clock jumped by {off:+.3g} s, or rows are missing", amount=off)
        if time <= self._last:
            # Time within the timeline never falls back: from here on it is the sender's and an offset.
            self._offset -= off
            time = self._due
        self._cut(gap=True)
        self._due = time
        self._speed.restart(time)
        self._accept(given, count, 0, row[None])

    def _accept(self, given: float, count: int | None, steps: int, row: Floats) -> None:
        time = given + self._offset
        self._due += self._period + _GAIN * (time - self._due)
        self._last, self._count = time, count
        health = self._speed.row(time, steps)
        self._emit(row, [time])
        if health is not None:
            self._notices.notices.append(health)

    def _emit(self, values: Floats, times: list[float]) -> None:
        if not times:
            return
        healthy = self._sensors.check(values, times, self._notices.notices)
        if self._wrong_rate:
            healthy = np.zeros(len(times), np.bool_)
        self._wrong_rate = self._speed.wrong
        self._run.append((values, times, healthy))

    def _cut(self, *, gap: bool) -> None:
        """Put the rows so far together; `gap`: the next ones start over."""
        if self._run:
            parts, self._run = self._run, []
            values = np.concatenate([p[0] for p in parts]) if len(parts) > 1 else parts[0][0]
            healthy = np.concatenate([p[2] for p in parts]) if len(parts) > 1 else parts[0][2]
            times = np.array([time for p in parts for time in p[1]], np.float64)
            self._ready.append(Ready(values=values, time=times, gap_before=self._gap, healthy=healthy))
            self._gap = False
        self._gap = self._gap or gap

    def _leave(self, kind: str, rows: int = 1) -> None:
        """Count rows left out or made up."""
        self._notices.count(kind, self._time, self._due, times=rows)

    @property
    def _time(self) -> float:
        """When something happens that has no time of its own: at the newest row."""
        return self._last if self._begun else self._first

    def _notice(self, kind: str, text: str, amount: float = 0.0) -> None:
        self._notices.add(self._time, kind, text, amount)


_UNSYNC = 0x40  # STA_UNSYNC of timex.h
JUMP = 0.5
"""Seconds between two looks by which the time of day may drift from the monotonic clock before it counts as set."""


class WallTime(msgspec.Struct, frozen=True, kw_only=True):
    """A time of day.

    Attributes:
        wall: seconds since 1970.
        doubt: by how many seconds it may be wrong; None: nobody has set the clock, or nobody knows.
        jumped: seconds by which the clock was set since the look before; 0 where it was not.
    """

    wall: float
    doubt: float | None
    jumped: float = 0.0


class WallClock:
    """The system's clock, watched.

    Args:
        wall, steady: clocks in seconds, the time of day and one that never falls back.
        doubt: what the wall clock may be off; None: unknown.
    """

    def __init__(
        self,
        wall: Callable[[], float] = system_time,
        steady: Callable[[], float] = monotonic,
        doubt: Callable[[], float | None] | None = None,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._doubt = doubt or kernel_doubt
        self._difference: float | None = None

    def now(self) -> WallTime:
        """Return the time of day with its doubt, and by how much the clock was set since the last call."""
        wall, steady = self._wall(), self._steady()
        difference = wall - steady
        before, self._difference = self._difference, difference
        moved = 0.0 if before is None else difference - before
        return WallTime(wall=wall, doubt=self._doubt(), jumped=moved if abs(moved) > JUMP else 0.0)


def kernel_doubt() -> float | None:
    """Return what the kernel's time keeping may be off, in seconds; None where no time service has set the clock.

    Linux keeps `maxerror` (adjtimex(2)): half the way to the time server and what it may be off itself, growing by
    500 ppm since it was last asked.
    """
    ask = _adjtimex()
    if ask is None:
        return None
    # struct timex begins with: unsigned modes; long offset, freq, maxerror, esterror; int status. All is read only
    # while modes is 0. 4 kB is more than the kernel fills.
    room = (ctypes.c_long * 512)()
    if ask(ctypes.byref(room)) < 0:
        return None
    status = ctypes.cast(ctypes.byref(room, 5 * ctypes.sizeof(ctypes.c_long)), ctypes.POINTER(ctypes.c_int))[0]
    return None if status & _UNSYNC else int(room[3]) * 1e-6


@cache
def _adjtimex() -> Any:  # noqa: ANN401 - a function of the C library
    try:
        return ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
