"""A server with the kept connections of more than 10,000 devices, commands beside, and `kill -9` again and again."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults_fleet.killed_server import SHARES, Attack
from benchmarks.table import TargetReport

KILLS, CONNECTIONS = 40, 10_000
_FILES, _DEVICES, _SEED = 20_000, 20_000, 29


def measure(report: TargetReport) -> None:
    """Kill it 40 times at three shares of its capacity, with 10,000 connections at least."""
    began = time.perf_counter()
    files = min(_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    with tempfile.TemporaryDirectory() as folder:
        kills = Attack(Path(folder), _DEVICES, KILLS, files, _SEED).run(SHARES, CONNECTIONS, _print_line)
    for problem in kills.problems[:20]:
        print(problem)
    answers = ", ".join(f"{count:,} x {status}" for status, count in sorted(kills.statuses.items()))
    report("kills of the server under load", f"{len(kills.open)}", f"{KILLS}", len(kills.open) >= KILLS)
    report("of a server that started", f"{kills.early}", "-", True)
    report(
        f"connections at a kill, of a capacity of {kills.capacity:,}",
        f"{min(kills.open):,} to {max(kills.open):,}", f"at least {CONNECTIONS:,}", min(kills.open) >= CONNECTIONS,
    )  # fmt: skip
    report("commands beside that only read", f"{kills.commands:,}", "-", True)
    report(f"signed reports acknowledged (answers: {answers})", f"{kills.acknowledged:,}", "-", True)
    report("acknowledged reports that are lost", f"{kills.lost:,}", "0", not kills.lost)
    report("rollouts started and aborted after a kill", f"{kills.rollouts}", f"{KILLS}", kills.rollouts >= KILLS)
    report("anything else that was wrong", f"{len(kills.problems)}", "0", not kills.problems)
    report("time", f"{(time.perf_counter() - began) / 60:.0f} minutes", "-", True)


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
