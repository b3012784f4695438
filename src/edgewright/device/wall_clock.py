"""The time of day and by how much it may be wrong: what the kernel knows of its clock, and whether it was set."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

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
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
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
