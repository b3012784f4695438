"""What a command takes with all that it starts: processor seconds and the most memory in RAM."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

# Seconds between two readings of the memory of processes.
_STEP_S = 0.1


class Cost(NamedTuple):
    """Processor seconds and peak memory in MB of a process and its children, and what it wrote on stdout."""

    cpu_s: float
    peak_mb: float
    output: str


def measured(command: list[str], folder: Path | None = None) -> Cost:
    """Run a command to its end and return what it took.

    Args:
        command: program and arguments.
        folder: that it runs in; the current one by default.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=folder)
        peak_kb = 0
        while True:
            ended, code, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            # A run sets its own high-water mark back before each of its stages, to measure them. Memory that processes
            # share counts once.
            now_kb = sum(_kilobytes(pid, "Pss:", "smaps_rollup") for pid in _family(process.pid))
            peak_kb = max(peak_kb, now_kb, _kilobytes(process.pid, "VmHWM:"))
            time.sleep(_STEP_S)
        process.returncode = os.waitstatus_to_exitcode(code)
        output.seek(0)
        text = output.read()
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{text[-2000:]}")
        return Cost(usage.ru_utime + usage.ru_stime, peak_kb * 1024 / 1e6, text)


def _family(pid: int) -> list[int]:
    """Return a process and all that it started and that still run."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        children = []
    return [pid, *(member for child in children for member in _family(child))]


def _kilobytes(pid: int, line: str, file: str = "status") -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(text.split()[1]) for text in lines if text.startswith(line)), 0)
