"""Durations as a person reads them."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration_text(seconds: float) -> str:
    """A duration in its two largest units: '3.5 s', '2 min 3 s', '7 d 1 h'."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    whole = round(abs(seconds))
    place = next(place for place, (size, _) in enumerate(_UNITS) if whole >= size)
    (large, first), (small, second) = _UNITS[place : place + 2]
    rest = whole % large // small
    text = f"{whole // large:,} {first}" + (f" {rest} {second}" if rest else "")
    return f"-{text}" if seconds < 0 else text
