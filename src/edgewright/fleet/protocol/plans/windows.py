"""Maintenance windows: times at which a device may activate a release, by its own wall clock in UTC."""

from __future__ import annotations

import math
import time

from edgewright.schema.fleet_plan import Window

MINUTES = 1440
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _week(window: Window) -> set[tuple[int, int, int]]:
    """Return a window's intervals in the week as (day, first minute, end minute); midnight splits an interval."""
    parts: set[tuple[int, int, int]] = set()
    for day in window.days:
        if window.start < window.end:
            parts.add((day, window.start, window.end))
        elif window.start > window.end:  # such as 22:00-04:00: the day is the one on which it begins
            parts.add((day, window.start, MINUTES))
            parts.add(((day + 1) % 7, 0, window.end))
    return {part for part in parts if part[1] < part[2]}


def _moment(wall: float) -> tuple[int, float]:
    """Return the weekday (Monday is 0) and the minutes since midnight, in UTC. 1 January 1970 was a Thursday."""
    days, rest = divmod(wall, 86_400.0)
    return int(days + 3) % 7, rest / 60.0


def is_open(windows: tuple[Window, ...], wall: float) -> bool:
    """Return whether a time is in one of the windows; without windows every time is.

    Args:
        windows: windows of the plan; a window with its end before its start crosses midnight.
        wall: seconds since 1970.
    """
    if not windows:
        return True
    if not math.isfinite(wall):
        return False
    day, minute = _moment(wall)
    return any(day == d and start <= minute < end for window in windows for d, start, end in _week(window))


def opens_in(windows: tuple[Window, ...], wall: float) -> float | None:
    """Return the seconds until the next window opens; 0 if one is open, None if none ever opens."""
    if is_open(windows, wall):
        return 0.0
    if not math.isfinite(wall):
        return None
    day, minute = _moment(wall)
    now = day * MINUTES + minute
    starts = [d * MINUTES + start for window in windows for d, start, _ in _week(window)]
    return min((start - now) % (7 * MINUTES) for start in starts) * 60.0 if starts else None


def open_s(windows: tuple[Window, ...], start: float, end: float) -> float:
    """Return for how many seconds between two times one of the windows was open; all of them without windows."""
    if not windows:
        return max(0.0, end - start)
    return max(0.0, _open_until(windows, end) - _open_until(windows, start))


def _open_until(windows: tuple[Window, ...], wall: float) -> float:
    """Return the open seconds from Monday, 29 December 1969, to a time."""
    week, rest = divmod(wall / 60.0 + 3 * MINUTES, 7 * MINUTES)
    total = partial = reached = 0.0
    for first, last in sorted((d * MINUTES + a, d * MINUTES + b) for window in windows for d, a, b in _week(window)):
        begin = max(reached, first)
        reached = max(reached, last)
        total += max(0.0, last - begin)
        partial += max(0.0, min(last, rest) - begin)
    return (week * total + partial) * 60.0


def say(window: Window) -> str:
    """Format a window, such as 'sat,sun 02:00-05:00 UTC'."""
    days = "any day" if len(set(window.days)) == 7 else ",".join(NAMES[day] for day in sorted(set(window.days)))
    clock = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start, window.end))
    return f"{days} {'-'.join(clock)} UTC"


def parse(text: str) -> Window:
    """Parse a window such as 'sat,sun 02:00-05:00' or '22:00-04:00' (any day).

    Raises:
        ValueError: the text has another form.
    """
    *days, span = text.strip().lower().split()
    if len(days) > 1:
        raise ValueError(f"days without spaces and one span of hours, not {text!r}")
    names = days[0].split(",") if days else list(NAMES)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(f"days as {','.join(NAMES)}, not {unknown[0]!r}")
    minutes = []
    for clock in span.split("-"):
        at = time.strptime(clock, "%H:%M") if clock != "24:00" else None
        minutes.append(at.tm_hour * 60 + at.tm_min if at else MINUTES)
    if len(minutes) != 2:
        raise ValueError(f"hours as 02:00-05:00, not {span!r}")
    return Window(days=tuple(sorted(NAMES.index(name) for name in set(names))), start=minutes[0], end=minutes[1])
