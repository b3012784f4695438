"""Keeps the process running in which a device learns with its fleet; it never imports NumPy itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_MODULE = "edgewright.fleet.device.federation_process"
_AGAIN_S = 60.0


class FederationWorker:
    """Starts the process, passes its lines on, and starts it again a minute after it ended.

    Args:
        store: folder of the device's store.
        url, ca_file: address of the fleet, and its CA certificates; empty for those of the system.
        poll_s: seconds between two attempts to take part.
        say: receives lines for people, from another thread.
    """

    def __init__(self, store: Path, url: str, ca_file: str, poll_s: float, say: Callable[[str], None]) -> None:
        self._command = [sys.executable, "-m", _MODULE, str(os.getpid()), str(store), url, ca_file, str(poll_s)]
        self._say, self._ended = say, threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="federation", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process."""
        self._ended.set()
        with self._guard:
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self._run()
            except OSError as error:
                self._say(f"federation: the process cannot start: {error.strerror or error}")
            self._ended.wait(_AGAIN_S)

    def _run(self) -> None:
        with self._guard:
            if self._ended.is_set():
                return
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            self._process = process
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        last = ""
        with process.stderr:
            for line in process.stderr:
                last = line.decode("utf-8", "replace").rstrip()
                if last.startswith("federation: "):
                    self._say(last)
        code = process.wait()
        with self._guard:
            self._process = None
        if not self._ended.is_set():
            self._say(f"federation: the process ended with {code}: {last}"[:300])
