"""Processes that run the simulated devices of fleets to practise with."""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from edgewright.schema.errors import OutputError

_PATIENCE_S = 10.0
# The end of its input is that of the studio, whichever signal ended that.
_START = """
import os, signal, sys, threading
def end():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=end, daemon=True).start()
sys.argv[0] = "edgewright"
from edgewright.cli.main import main
main()
"""


class Practices:
    """Processes that run simulated devices, one a fleet; they end with the studio."""

    def __init__(self) -> None:
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def running(self, folder: Path) -> bool:
        """Return whether devices of a fleet run here."""
        process = self._processes.get(folder)
        return process is not None and process.poll() is None

    def trouble(self, folder: Path) -> str:
        """Return why the devices of a fleet ended by themselves; empty where they did not."""
        process = self._processes.get(folder)
        if process is None or process.poll() in (None, 0):
            return ""
        lines = _log(folder).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("edgewright: ") if lines else f"exit code {process.returncode}"

    def start(self, folder: Path) -> None:
        """Start the devices of a fleet, unless they run.

        Raises:
            OutputError: the process could not begin.
        """
        with self._lock:
            if self.running(folder):
                return
            if not self._processes:
                atexit.register(self.stop_all)
            try:
                with _log(folder).open("wb") as errors:
                    self._processes[folder] = subprocess.Popen(
                        [sys.executable, "-c", _START, "fleet", "practice", str(folder)],
                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                    )  # fmt: skip
            except OSError as error:
                raise OutputError("a process of simulated devices", error.strerror or str(error), str(folder)) from None

    def stop(self, folder: Path) -> None:
        """End the devices of a fleet."""
        with self._lock:
            process = self._processes.pop(folder, None)
            if process is None:
                return
            try:
                process.communicate(timeout=_PATIENCE_S)  # closes its input
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop_all(self) -> None:
        """End all."""
        for folder in list(self._processes):
            with suppress(OSError):
                self.stop(folder)


def _log(folder: Path) -> Path:
    return folder / "practice.log"
