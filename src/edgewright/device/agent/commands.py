"""Programs that rules may start: only those the settings name, without a shell, a few at once, ended in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

from edgewright.schema.device_config import CommandEntry

MOST_AT_ONCE = 4
# A fresh environment: nothing of the agent's own reaches a program. Its files are closed when another one begins.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


class Commands:
    """Programs at work; nothing waits for them.

    Args:
        allowed: by name.
        run: False notes what would be started and starts nothing, as for a recording that is replayed.
    """

    def __init__(self, allowed: Mapping[str, CommandEntry], run: bool) -> None:
        self._allowed, self._run = dict(allowed), run
        self._running: list[tuple[int, float, str]] = []

    def start(self, name: str) -> str:
        """Start a program: 'started', 'not run' (a recording), or why not."""
        entry = self._allowed.get(name)
        if entry is None:
            return "not allowed"
        if not self._run:
            return "not run"
        if len(self._running) >= MOST_AT_ONCE:
            return "too many at once"
        nothing = [(os.POSIX_SPAWN_OPEN, handle, os.devnull, os.O_RDWR, 0) for handle in (0, 1, 2)]
        try:
            # posix_spawn and not `subprocess`, whose import would cost a twentieth of the agent's start.
            process = os.posix_spawn(
                entry.run[0],
                list(entry.run),
                _ENVIRONMENT,
                file_actions=nothing,
                setpgroup=0,
                setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE),
            )
        except OSError as error:
            return error.strerror or "failed"
        self._running.append((process, time.monotonic() + entry.seconds, name))
        return "started"

    def look(self) -> list[tuple[str, str]]:
        """Return what ended badly since the last look: (name, how)."""
        found, still = [], []
        for process, until, name in self._running:
            ended, status = _poll(process)
            if not ended and time.monotonic() >= until:
                _end(process)
                found.append((name, "ended: it took too long"))
            elif not ended:
                still.append((process, until, name))
            elif code := os.waitstatus_to_exitcode(status):
                found.append((name, f"exit code {code}"))
        self._running = still
        return found

    def close(self, wait: float) -> None:
        """Wait at most so many seconds for those that still run, and ends the others."""
        until = time.monotonic() + wait
        while self._running and time.monotonic() < until:
            self.look()
            time.sleep(0.01)
        for process, _, _ in self._running:
            _end(process)
        self._running = []


def _poll(process: int) -> tuple[bool, int]:
    try:
        found, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return True, 0
    return found == process, status


def _end(process: int) -> None:
    with suppress(OSError):
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
