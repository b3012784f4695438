"""Work that a server repeats in a thread of its own until it stops."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec


def repeat(name: str, every: float, work: Callable[[], float | None], *, at_once: bool = False) -> Callable[[], None]:
    """Repeat work until what is returned is called; a failure is logged, the same one once, and the work goes on.

    Args:
        name: name of the thread, for the log.
        every: seconds between two calls.
        work: returns the seconds until its next call; None for `every`.
        at_once: whether the first call comes without a pause.
    """
    ended = threading.Event()

    def run() -> None:
        pause, failed = 0.0 if at_once else every, ""
        while not ended.wait(pause):
            pause = every
            try:
                given, failed = work(), ""
                pause = every if given is None else given
            except Exception as error:  # noqa: BLE001 - a database or disk error must not end the thread
                if repr(error) != failed:
                    broken(error, name)
                failed = repr(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(10.0)

    return end


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
