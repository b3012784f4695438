"""The server's log: one JSON object per line on standard error, without secrets and request bodies."""

from __future__ import annotations

import sys
import time
import traceback
from contextlib import suppress
from typing import Any

import msgspec


def line(level: str, event: str, **more: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Write a line; what cannot be written, such as on a full disk, is left out and stops nobody."""
    if sys.stderr is None:
        return
    record = {"at": round(time.time(), 3), "level": level, "event": event, **more}
    with suppress(OSError, ValueError):
        sys.stderr.write(msgspec.json.encode(record).decode() + "\n")


def request(method: str, path: str, status: int, seconds: float, who: str) -> None:
    """Log a request that was refused or changed something; `path` is the route with parameter names."""
    level = "info" if status < 400 else "warning" if status < 500 else "error"
    line(level, "request", method=method, path=path, status=status, ms=round(seconds * 1000.0, 2), who=who)


def broken(error: BaseException, where: str) -> None:
    """Log an internal error."""
    trace = "".join(traceback.format_exception(error))[-4000:]
    line("error", "broken", where=where, error=f"{type(error).__name__}: {error}"[:500], trace=trace)
