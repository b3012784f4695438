"""Work that a server repeats in a thread of its own until it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgewright.fleet.server import log


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
                    log.broken(error, name)
                failed = repr(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(10.0)

    return end
