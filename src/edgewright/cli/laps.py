"""Where the wall time of a command goes: one part ends where the next begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edgewright.core.formatting import seconds_text

IMPORT, READ, RACE, FIT, PACKAGE, PAGE = "import", "read", "race", "fit", "package", "page"
# When a process starts, its processor has worked as long as it has lasted.
_laps: list[tuple[str, float]] = [(IMPORT, time.perf_counter() - time.process_time())]


def begin() -> None:
    """Forget the parts of a command that this process ran before."""
    if len(_laps) > 1:
        _laps[:] = [(IMPORT, time.perf_counter())]


def lap(part: str) -> None:
    """Begin a part, which may have been begun before."""
    _laps.append((part, time.perf_counter()))


@contextmanager
def lasting(part: str) -> Iterator[None]:
    """Provide a block that is a part; after it goes on what was going on."""
    before = _laps[-1][0]
    lap(part)
    try:
        yield
    finally:
        lap(before)


def laps_text() -> str:
    """Return the wall time of the command so far, and of its parts: 'took 3.10 s: import 1.2, read 0.4'."""
    seconds: dict[str, float] = {}
    for (part, since), (_, until) in zip(_laps, [*_laps[1:], ("", time.perf_counter())], strict=True):
        seconds[part] = seconds.get(part, 0.0) + until - since
    parts = ", ".join(f"{part} {spent:.1f}" for part, spent in seconds.items())
    return f"took {seconds_text(sum(seconds.values()))}: {parts}"
