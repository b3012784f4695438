"""Programs that rules may start: only those the settings name, without a shell, a few at once, ended in time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from edgewright.schema.device_config import CommandEntry

MOST_AT_ONCE = 4


class Commands:
    """Programs at work; nothing waits for them.

    Args:
        allowed: by name.
        run: False notes what would be started and starts nothing, as for a recording that is replayed.
    """

    def __init__(self, allowed: Mapping[str, CommandEntry], run: bool) -> None:
        self._allowed, self._run = dict(allowed), run
        self._running: list[tuple[subprocess.Popen[bytes], float, str]] = []

    def start(self, name: str) -> str:
        """Starts a program: 'started', 'not run' (a recording), or why not."""
        entry = self._allowed.get(name)
        if entry is None:
            return "not allowed"
        if not self._run:
            return "not run"
        self.look()
        if len(self._running) >= MOST_AT_ONCE:
            return "too many at once"
        try:
            # A fresh environment and no open files: nothing of the agent reaches it.
            process = subprocess.Popen(
                list(entry.run), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}, cwd="/", close_fds=True, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return error.strerror or "failed"
        self._running.append((process, time.monotonic() + entry.seconds, name))
        return "started"

    def look(self) -> list[tuple[str, str]]:
        """What ended badly since the last look: (name, how)."""
        found, still = [], []
        for process, until, name in self._running:
            code = process.poll()
            if code is None and time.monotonic() >= until:
                _end(process)
                found.append((name, "ended: it took too long"))
            elif code is None:
                still.append((process, until, name))
            elif code:
                found.append((name, f"exit code {code}"))
        self._running = still
        return found

    def close(self) -> None:
        """Ends those that still run."""
        for process, _, _ in self._running:
            _end(process)
        self._running = []


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(process.pid, 9)
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
