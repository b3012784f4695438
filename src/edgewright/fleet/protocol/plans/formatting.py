"""Numbers in the sentences that say why: percents, times and durations that people read."""

from __future__ import annotations

import time

_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


def percent(value: float) -> str:
    """Such as '10 %' or '0.25 %'."""
    return f"{value:.4g} %"


def lasting(seconds: float) -> str:
    """Such as '90 s', '2 h' or '1.5 d', in the largest unit of which it is at least one and a half, or exactly one."""
    for name, size in _UNITS:
        if seconds >= 1.5 * size or seconds == size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def day(at: float) -> str:
    """Such as '2026-11-20 15:30 UTC'; the bare number where no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f} s"
