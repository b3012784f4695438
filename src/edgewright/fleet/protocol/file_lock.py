"""A file that one process at a time keeps, waited for within bounds."""

from __future__ import annotations

import fcntl
import time
from typing import IO

_STEP = 0.01


def lock_within(handle: IO[str], seconds: float) -> bool:
    """Take the lock of an open file, which ends with the file; whether it was free within so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(_STEP)
        else:
            return True
