"""Maintenance windows: when a device may activate, by its own wall clock in UTC."""

from __future__ import annotations

import math
import time

from edgewright.schema.fleet_plan import Window

MINUTES = 1440
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _week(window: Window) -> set[tuple[int, int, int]]:
    """Return stretches of the week as (day, first minute, minute after the last); one over midnight is cut in two."""
    parts: set[tuple[int, int, int]] = set()
    for day in window.days:
        if window.start < window.end:
            parts.add((day, window.start, window.end))
        elif window.start > window.end:  # such as 22:00-04:00: the day is the one on which it begins
            parts.add((day, window.start, MINUTES))
            parts.add(((day + 1) % 7, 0, window.end))
    return {part for part in parts if part[1] < part[2]}


def _moment(wall: float) -> tuple[int, float]:
    """Day of the week from Monday, and minutes since its midnight, in UTC. 1 January 1970 was a Thursday."""
    days, rest = divmod(wall, 86_400.0)
    return int(days + 3) % 7, rest / 60.0


def is_open(windows: tuple[Window, ...], wall: float) -> bool:
    """Return whether a moment lies in one of the windows; no windows mean any time.

    Args:
        windows: of the plan; one whose end lies before its start goes over midnight.
        wall: seconds since 1970.
    """
    if not windows:
        return True
    if not math.isfinite(wall):
        return False
    day, minute = _moment(wall)
    return any(day == d and start <= minute < end for window in windows for d, start, end in _week(window))


def opens_in(windows: tuple[Window, ...], wall: float) -> float | None:
    """Return seconds until the next window opens; 0 where one is open, None where none ever does."""
    if is_open(windows, wall):
        return 0.0
    if not math.isfinite(wall):
        return None
    day, minute = _moment(wall)
    now = day * MINUTES + minute
    starts = [d * MINUTES + start for window in windows for d, start, _ in _week(window)]
    return min((start - now) % (7 * MINUTES) for start in starts) * 60.0 if starts else None


def say(window: Window) -> str:
    """Such as 'sat,sun 02:00-05:00 UTC'."""
    days = "any day" if len(set(window.days)) == 7 else ",".join(NAMES[day] for day in sorted(set(window.days)))
    clock = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start, window.end))
    return f"{days} {'-'.join(clock)} UTC"


def parse(text: str) -> Window:
    """Return a window from words such as 'sat,sun 02:00-05:00' or '22:00-04:00' (any day).

    Raises:
        ValueError: not so.
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
