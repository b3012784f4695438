"""A limit of virtual memory (`ulimit -v`): one heap of the C library for all threads, and what to say where it is full.

A thread of its own heap reserves 64 MiB of addresses, and the libraries of a run have some thirty threads.
"""

from __future__ import annotations

import os
from contextlib import suppress

from edgewright.core.files import limit_bytes

# mallopt(3): the largest number of heaps.
_ARENA_MAX = -8
# What libraries say where memory ends, in exceptions of their own.
_FULL = (
    "failed to map segment", "cannot allocate memory", "can't start new thread", "bad_alloc", "resource_exhausted",
    "out of memory", "resource temporarily unavailable", "unable to allocate", "failed to spawn",
)  # fmt: skip


def share_one_heap() -> None:
    """Have this process, and those that it starts, keep to one heap where virtual memory is limited."""
    if limit_bytes() is None:
        return
    import ctypes

    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    with suppress(OSError, AttributeError):  # another library of C than that of GNU
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def is_full(error: BaseException) -> bool:
    """Return whether an exception says that memory ended."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _FULL)


def full_message() -> str:
    """Return what to say where memory ended."""
    limit = limit_bytes()
    if limit is None:
        return "expected enough memory for this data. Use fewer rows or a smaller window"
    return (
        f"expected enough memory for this data, got a limit of {limit / 1e6:,.0f} MB of virtual memory (ulimit -v). "
        "Raise the limit, or use fewer rows or a smaller window"
    )
