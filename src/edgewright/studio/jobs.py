"""Runs that the studio starts, as processes of their own, and how any run is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.schema.errors import InputError
from edgewright.trace.journal import FOLDER, Opening, alive, journals, start_ticks

AT_ONCE = 2
"""Runs that go on at the same time, those started elsewhere in this folder included."""
_PATIENCE = 5.0
# Ctrl-C reaches the run even where the studio was started in the background, which ignores it.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'edgewright'; "
    "from edgewright.cli.main import main; main()"
)


@dataclass
class Job:
    """A run that was started here: its process, where its errors go, and the address of the form that started it."""

    process: subprocess.Popen[bytes]
    log: Path
    back: str

    def said(self) -> str:
        """Return the last line it printed to standard error, without the command's name."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].removeprefix("edgewright: ") if lines else ""


class Jobs:
    """Starts runs and ends them with the studio.

    Args:
        runs: folder that runs are written to.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.started: dict[int, Job] = {}
        self._lock = threading.Lock()

    def start(self, asked: Sequence[str], running: int, back: str) -> int:
        """Start `edgewright run` and give the number of its process.

        Args:
            asked: arguments of the command: the pipeline or the data after '--', options before it.
            running: runs that go on already.
            back: address of the form.

        Raises:
            InputError: as many runs go on as may.
        """
        with self._lock:
            waiting = sum(job.process.poll() is None and not self.journal(pid) for pid, job in self.started.items())
            if running + waiting >= AT_ONCE:
                raise InputError(
                    f"at most {AT_ONCE} runs at once", f"{running + waiting} running or waiting", "",
                    "Wait for one to end, or cancel it",
                )  # fmt: skip
            folder = self.runs / FOLDER / "started"
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{time.time_ns() // 1_000_000}.log"
            arguments = [sys.executable, "-c", _START, "run", "--out", str(self.runs), *asked]
            with log.open("wb") as errors:
                process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                    start_new_session=True,
                )  # fmt: skip
            self.started[process.pid] = Job(process, log, back)
            return process.pid

    def journal(self, process: int) -> str:
        """Name of the journal that a process keeps, empty where there is none (yet, or any more)."""
        return next((path.stem for path in journals(self.runs).glob(f"*-{process}-*.jsonl")), "")

    def stop(self) -> None:
        """End what was started here, as Ctrl-C does; what has not ended after seconds is killed."""
        going = [job for job in self.started.values() if job.process.poll() is None]
        for job in going:
            job.process.send_signal(signal.SIGINT)
        until = time.monotonic() + _PATIENCE
        for job in going:
            try:
                job.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
        for job in self.started.values():
            with suppress(OSError):
                job.log.unlink()
        with suppress(OSError):
            (self.runs / FOLDER / "started").rmdir()


def cancel(begun: Opening) -> bool:
    """Send a run what Ctrl-C sends; False where its process is gone.

    The process is held while it is compared with the journal, so that no other one of the same number can be hit.
    """
    if begun.process <= 1 or begun.process == os.getpid():
        return False
    try:
        held = os.pidfd_open(begun.process)
    except OSError:
        return False
    try:
        if not begun.ticks or start_ticks(begun.process) != begun.ticks or not alive(begun.process, begun.ticks):
            return False
        signal.pidfd_send_signal(held, signal.SIGINT)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True
