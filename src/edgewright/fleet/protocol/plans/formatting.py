"""Formats percentages, times and durations for messages."""

from __future__ import annotations

import time

_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


def percent(value: float) -> str:
    """Format a percentage, such as '10 %' or '0.25 %'."""
    return f"{value:.4g} %"


def lasting(seconds: float) -> str:
    """Format a duration such as '90 s', '2 h' or '1.5 d', in the largest unit with a value of 1 or at least 1.5."""
    for name, size in _UNITS:
        if seconds >= 1.5 * size or seconds == size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def day(at: float) -> str:
    """Format a time such as '2026-11-20 15:30 UTC'; outside the calendar's range, as seconds since 1970."""
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s"
