"""Time, processor time and peak memory of a piece of work."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of wall clock and processor, and the rise of peak resident memory in bytes (0 where unknown)."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Measured(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a piece of work gave, and its cost."""

    value: T
    cost: Cost


def measured(work: Callable[[], T]) -> Measured[T]:
    """Run `work` and measures it.

    Peak memory is the kernel's high-water mark, reset before the work (Linux: `/proc/self/clear_refs`, proc(5));
    elsewhere it is reported as 0.
    """
    _reset_peak()
    before = _resident("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    cost = Cost(
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        peak_bytes=max(0, _resident("VmHWM") - before),
    )
    return Measured(value=value, cost=cost)


def together(*costs: Cost) -> Cost:
    """Return costs of pieces of work one after the other: times add up, the peak is the largest."""
    return Cost(
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        peak_bytes=max((cost.peak_bytes for cost in costs), default=0),
    )


def latency(answer: Callable[[], object], *, seconds: float = 0.1, maximum: int = 2000) -> tuple[float, float]:
    """Median and 99th percentile of one call, in microseconds, after a warm-up of a tenth of the calls.

    Args:
        answer: the call.
        seconds: budget of the measurement.
        maximum: largest number of calls.
    """
    clock = time.perf_counter_ns
    start = clock()
    answer()
    once = max(clock() - start, 1)
    calls = int(min(maximum, max(20, seconds * 1e9 / once)))
    for _ in range(calls // 10):
        answer()
    durations = np.empty(calls)
    for number in range(calls):
        start = clock()
        answer()
        durations[number] = clock() - start
    return float(np.percentile(durations, 50)) / 1e3, float(np.percentile(durations, 99)) / 1e3


def _reset_peak() -> None:
    # Memory that was freed but is still held by the allocator would hide what the work needs. Young objects only: a
    # full collection walks all of JAX and takes 0.2 s, longer than most stages.
    gc.collect(1)
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def _resident(field: str) -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), 0)
