"""A file lock for one process at a time, with a timeout."""

from __future__ import annotations

import time
from typing import IO

from edgewright.core.files import lock

_STEP = 0.01


def lock_within(handle: IO[str], seconds: float, *, shared: bool = False) -> bool:
    """Lock an open file and return whether that succeeded within the timeout; closing the file releases the lock."""
    until = time.monotonic() + seconds
    while not lock(handle, shared=shared):
        if time.monotonic() > until:
            return False
        time.sleep(_STEP)
    return True
