"""Shapes of the column that says when a row was measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from odd_files.shape import Draw, OddFile, Sheet, Values, shape, written
from odd_files.signals import motion, room, spots

_NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


def _timed(sheet: Sheet, name: str, write: Callable[[float], object]) -> Sheet:
    """Return a sheet with a first column of times."""
    return sheet.with_first(name, [write(second) for second in _seconds(sheet).tolist()], time=name)


def _seconds(sheet: Sheet) -> Values:
    assert sheet.truth.rate_hz
    return np.arange(sheet.rows) / sheet.truth.rate_hz[0]


def _moment(second: float, digits: int = 3) -> datetime:
    return _NOON + timedelta(seconds=round(second, digits))


@shape
def seconds(draw: Draw) -> OddFile:
    """Write seconds, in every other file with the jitter of a clock."""
    sheet = motion(draw)
    step = 1 / sheet.truth.rate_hz[0]  # type: ignore[index]
    jitter = draw.take(0.0, 0.05) * step * draw.rng.standard_normal(sheet.rows)
    times = np.round(np.sort(_seconds(sheet) + jitter), 4).tolist()
    return written(draw, sheet.with_first(draw.words.time, times, time=draw.words.time))


@shape
def milliseconds_without_unit(draw: Draw) -> OddFile:
    """Write milliseconds since the start under a name without a unit."""
    start = draw.take(0, 1523, 0, 88_412, 12)
    return written(draw, _timed(motion(draw), draw.words.time, lambda second: start + round(1e3 * second)))


@shape
def milliseconds_with_unit(draw: Draw) -> OddFile:
    """Write milliseconds under a name that says so."""
    name = draw.take("time_ms", "Zeit [ms]", "t_ms", "temps (ms)", "millis")
    return written(draw, _timed(motion(draw), name, lambda second: round(1e3 * second)))


@shape
def microseconds(draw: Draw) -> OddFile:
    """Write microseconds, under names with and without a unit."""
    name = draw.take("time_us", "t [µs]", "micros", draw.words.time, "timestamp")
    start = draw.take(0, 40_128, 918_273)
    return written(draw, _timed(motion(draw), name, lambda second: start + round(1e6 * second)))


@shape
def nanoseconds(draw: Draw) -> OddFile:
    """Write nanoseconds of the epoch or since the device started."""
    name = draw.take("timestamp", "time_ns", "timestamp_ns", draw.words.time, "timestamp")
    start = draw.take(1_714_564_800_000_000_000, 86_412_000_000_000)
    return written(draw, _timed(motion(draw), name, lambda second: start + round(1e9 * second)))


@shape
def epochs(draw: Draw) -> OddFile:
    """Write seconds or milliseconds of the epoch."""
    name = draw.take("timestamp", draw.words.time, "ts", "unix")
    start = _NOON.timestamp()
    if draw.seed % 2:
        return written(draw, _timed(motion(draw), name, lambda second: round(1e3 * (start + second))))
    return written(draw, _timed(motion(draw), name, lambda second: f"{start + second:.3f}"))


@shape
def iso_dates(draw: Draw) -> OddFile:
    """Write ISO 8601 without a zone."""
    sign = draw.take("T", " ")
    return written(
        draw, _timed(motion(draw), draw.words.time, lambda s: _moment(s).strftime(f"%Y-%m-%d{sign}%H:%M:%S.%f")[:-3])
    )


@shape
def iso_dates_with_zone(draw: Draw) -> OddFile:
    """Write ISO 8601 with a zone."""
    zone = timezone(timedelta(hours=draw.take(2, 0, -5, 1, 9)))
    return written(
        draw,
        _timed(motion(draw), draw.words.time, lambda s: _moment(s).astimezone(zone).isoformat(timespec="milliseconds")),
    )


@shape
def times_of_day(draw: Draw) -> OddFile:
    """Write HH:MM:SS.mmm, in one file across midnight."""
    start = timedelta(hours=draw.take(0, 3, 11.995, 7, 9))
    return written(
        draw, _timed(motion(draw), draw.words.time, lambda s: (_moment(s) + start).strftime("%H:%M:%S.%f")[:-3])
    )


@shape
def local_dates(draw: Draw) -> OddFile:
    """Write a day as Germans do, every few seconds or minutes."""
    every_s = draw.take(10, 60, 30, 300, 5)
    name = draw.take(draw.words.time, "Datum", "Date", "fecha", "date")
    return written(draw, _timed(room(draw, every_s), name, lambda s: _moment(s).strftime("%d.%m.%Y %H:%M:%S")))


@shape
def dates_with_slashes(draw: Draw) -> OddFile:
    """Write the day or the month first, as the British and the Americans do, over more than twelve days."""
    every_s = draw.take(1800, 3600, 900, 7200, 3600)
    form = draw.take("%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%m/%d/%y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y/%m/%d %H:%M")
    name = draw.take("Date", draw.words.time, "Timestamp", "when", "DateTime")
    sheet = room(draw, every_s)
    start = timedelta(days=0 if sheet.rows * every_s > 13 * 86_400 else 12)
    return written(draw, _timed(sheet, name, lambda s: (_moment(s) + start).strftime(form)))


@shape
def halves_of_a_day(draw: Draw) -> OddFile:
    """Write times of day with AM and PM."""
    before, after = draw.take((" AM", " PM"), ("AM", "PM"), (" a.m.", " p.m."), (" am", " pm"), (" AM", " PM"))
    start = timedelta(hours=draw.take(0, -0.05, 11.995, -2, 9))

    def write(second: float) -> str:
        moment = _moment(second) + start
        return f"{moment:%I:%M:%S.%f}"[:-3] + str(before if moment.hour < 12 else after)

    return written(draw, _timed(motion(draw), draw.words.time, write))


@shape
def day_beside_time(draw: Draw) -> OddFile:
    """Write the day of a row in one column and the time of day in the next one, over midnight."""
    sheet = room(draw, draw.take(60, 300, 600, 120, 60))
    day, time = draw.take(("Date", "Time"), ("Datum", "Uhrzeit"), ("date", "clock"), ("Day", "time"), ("fecha", "hora"))
    of_day, of_time = draw.take(
        ("%Y-%m-%d", "%H:%M:%S"), ("%d.%m.%Y", "%H:%M"), ("%Y/%m/%d", "%I:%M %p"), ("%Y-%m-%d 00:00:00", "%H:%M:%S"),
        ("%d.%m.%y", "%H:%M:%S"),
    )  # fmt: skip
    moments = [_moment(second) + timedelta(hours=11) for second in _seconds(sheet).tolist()]
    sheet = sheet.with_first(time, [moment.strftime(of_time) for moment in moments])
    return written(draw, sheet.with_first(day, [m.strftime(of_day) for m in moments], time=f"{day} + {time}"))


@shape
def dates_of_two_meanings(draw: Draw) -> OddFile:
    """Write dates of which no number tells whether the day or the month comes first."""
    sheet = room(draw, draw.take(60, 10, 600, 30, 300))
    form, name = draw.take("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d-%m-%Y %H:%M:%S"), draw.words.time
    return written(
        draw, _timed(sheet, name, lambda s: _moment(s).strftime(form)).known(question=("dmy", "mdy", "time_unit"))
    )


@shape
def excel_dates(draw: Draw) -> OddFile:
    """Write days since 1899-12-30, as a spreadsheet stores a date."""
    every_s = draw.take(60, 10, 600, 30, 3600)
    name = draw.take("Date", "Datum", draw.words.time, "date", "Time")
    return written(draw, _timed(room(draw, every_s), name, lambda s: f"{45413.5 + s / 86400:.9f}"))


@shape
def wrapping_counter(draw: Draw) -> OddFile:
    """Write milliseconds of a counter of 16 bits."""
    name = draw.take("ms", "t_ms", "tick_ms", "time_ms", draw.words.time)
    start = draw.take(0, 41_000, 60_000)
    sheet = motion(draw, turns=draw.take(6, 4, 3, 6, 4))
    return written(draw, _timed(sheet, name, lambda s: (start + round(1e3 * s)) % 65_536))


@shape
def slow_seconds(draw: Draw) -> OddFile:
    """Write seconds of a room that is measured every ten seconds or so."""
    every_s = draw.take(10, 5, 60, 30, 10)
    return written(draw, _timed(room(draw, every_s), draw.words.time, round))


@shape
def without_clock(draw: Draw) -> OddFile:
    """Write motion without a clock, or things that were measured one by one."""
    return written(draw, (spots(draw) if draw.seed % 2 else motion(draw)).known(rate_hz=None))


@shape
def clock_of_two_meanings(draw: Draw) -> OddFile:
    """Write a counter that is as well seconds of a slow as milliseconds of a fast sensor."""
    step = draw.take(10, 20, 5, 10, 50)
    sheet = motion(draw, 1000 / step)
    names = dict(zip(sheet.truth.readings, draw.take(("a", "b", "c"), ("ch1", "ch2", "ch3")), strict=True))
    plain = Sheet({names.get(name, name): cells for name, cells in sheet.cells.items()}, sheet.truth)
    return written(draw, _timed(plain, "t", lambda s: round(1e3 * s)).known(question=("ms", "s", "time_unit")))
