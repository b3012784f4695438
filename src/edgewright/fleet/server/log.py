"""The server's log: one JSON object a line on standard error, without secrets and without bodies."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Any

import msgspec


def line(level: str, event: str, **more: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Writes a line."""
    if sys.stderr is None:
        return
    said = {"at": round(time.time(), 3), "level": level, "event": event, **more}
    sys.stderr.write(msgspec.json.encode(said).decode() + "\n")


def request(method: str, path: str, status: int, seconds: float, who: str) -> None:
    """A request that was refused, or that changed something; `path` is the endpoint's, with its parameters' names."""
    level = "info" if status < 400 else "warning" if status < 500 else "error"
    line(level, "request", method=method, path=path, status=status, ms=round(seconds * 1000.0, 2), who=who)


def broken(error: BaseException, where: str) -> None:
    """A mistake of ours."""
    trace = "".join(traceback.format_exception(error))[-4000:]
    line("error", "broken", where=where, error=f"{type(error).__name__}: {error}"[:500], trace=trace)
