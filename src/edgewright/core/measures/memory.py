"""Resident bytes of the model's process, largest seen."""

from __future__ import annotations

import os

from edgewright.core.measures import Measure


def resident() -> int:
    """Return bytes of this process in memory; 0 where the kernel does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - read every minute
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


MEASURE = Measure(column="memory", total="max", read=resident, unit=" B", default=(32e6, 2.0), rank=8)
