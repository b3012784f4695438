"""How much memory this process may take: its limit of addresses, its container's limit, and what the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# What the libraries of a run map before any data: JAX, Polars and ONNX Runtime with one heap (docs/benchmarks.md).
_LIBRARIES = 1 << 30


def limit_bytes() -> int | None:
    """Return the limit of virtual memory of this process (`ulimit -v`); None without any."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # Windows
        return None
    limit: int = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def free_bytes() -> float:
    """Return the bytes of data that this process may still take; infinite where nothing says."""
    return max(0.0, min(_limits(), default=math.inf))


def _limits(group: Path = Path("/sys/fs/cgroup"), machine: Path = Path("/proc/meminfo")) -> Iterator[float]:
    mapped, resident = (_pages(number) for number in (0, 1))
    if (limit := limit_bytes()) is not None:
        yield limit - max(mapped, _LIBRARIES)
    with suppress(OSError, ValueError):  # 'max' where there is no limit
        yield int((group / "memory.max").read_text("ascii")) - resident
    with suppress(OSError):
        yield from (
            1024.0 * int(line.split()[1])
            for line in machine.read_text("ascii").splitlines()
            if line.startswith("MemAvailable:")
        )


def _pages(number: int) -> int:
    """Return bytes that are mapped (number 0) or in memory (1)."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[number]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
