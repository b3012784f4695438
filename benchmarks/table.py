"""What the benchmarks share: running a process, medians, and a table in Markdown with a verdict a row."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Spent:
    """What a process cost: wall clock and processor seconds, and its largest resident memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def spent(
    command: Sequence[str],
    settings: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    log: Path | None = None,
) -> Spent:
    """Run a command to its end and give what it cost.

    Args:
        command: program and arguments.
        settings: variables of the environment.
        folder: that it runs in; the current one by default.
        log: file that takes everything it prints; without one, errors are shown and the rest is dropped.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    environment = {**os.environ, **ONE_THREAD, **(settings or {})}
    started = time.perf_counter()
    with (log or Path(os.devnull)).open("wb") as out:
        errors = subprocess.STDOUT if log else None
        process = subprocess.Popen(list(command), stdout=out, stderr=errors, env=environment, cwd=folder)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return Spent(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return float(statistics.median(values))


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def verdict(within: bool) -> str:
    """How a row of a table ends."""
    return "reached" if within else "**missed**"


class TargetReport:
    """Rows that are printed as they come and stand in a table at the end."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.reached = True

    def __call__(self, title: str, got: str, target: str, within: bool) -> None:
        """One row."""
        self.reached &= within
        self.rows.append([title, got, target, verdict(within)])
        print(f"{title}: {got}", file=sys.stderr, flush=True)


def python() -> str:
    """Return the interpreter the benchmark runs in, with Edgewright installed."""
    return sys.executable
