"""A file lock for one process at a time, with a timeout."""

from __future__ import annotations

import fcntl
import time
from typing import IO

_STEP = 0.01


def lock_within(handle: IO[str], seconds: float, how: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file and return whether that succeeded within the timeout; closing the file releases the lock."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(_STEP)
        else:
            return True
