"""Words to systemd over its socket (sd_notify(3)): ready, alive, stopping; nothing where nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgewright.core.errors import error_code
from edgewright.core.files import state_folder


class Supervisor:
    """The one who started this process, where it wants to hear of it.

    Args:
        address: path of its socket, '@' for an abstract one; `NOTIFY_SOCKET` when left out.
        watch: microseconds within which it wants a sign of life; `WATCHDOG_USEC` when left out.
    """

    def __init__(self, address: str | None = None, watch: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        given = os.environ.get("WATCHDOG_USEC", "") if watch is None else watch
        # Twice as often as asked for.
        self._every = int(given) / 2e6 if given.isdigit() and int(given) else None
        self._last = -1e9

    def alive(self) -> None:
        """Tell systemd now and then that the loop runs."""
        if self._every is None:
            return
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self.say("WATCHDOG=1")

    def say(self, text: str) -> None:
        """Send a variable: 'READY=1', 'STOPPING=1', or `X_NAME=value`."""
        if not self._address:
            return
        path = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as plug:
            # Who does not listen for a while must not hold up the loop: what finds no room is not said.
            plug.sendto(text.encode(), socket.MSG_DONTWAIT, path)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Report the code of an error that ends the process to its supervisor, such as the fleet's agent."""
    try:
        yield
    except Exception as error:
        Supervisor().say(f"X_ERROR={error_code(error)}")
        raise


def store_folder(named: Path | None) -> Path:
    """Return the folder of the store: as named, else what systemd gives (`STATE_DIRECTORY`), else one of this user."""
    if named is not None:
        return named
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    return state_folder() / "device"
