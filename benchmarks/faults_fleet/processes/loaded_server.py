"""A real server of a small capacity, killed under connection load with read-only commands beside."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.states import Result
from benchmarks.faults_fleet.killed_server import SHARES, Attack, described

_FILES = 800
"""Limit of the server's open files; half of them are connections."""
_DEVICES, _KILLS, _SEED = 400, 60, 17


def run(share: float) -> Iterator[tuple[str, Result]]:
    """Kill it at least once at each share of its capacity."""
    result = Result()
    with tempfile.TemporaryDirectory() as folder:
        count = max(len(SHARES), round(_KILLS * share))
        kills = Attack(Path(folder), _DEVICES, count, _FILES, _SEED).run(SHARES)
    for number, problems in enumerate(kills.wrong):
        way = f"killed at {SHARES[number % len(SHARES)]:.0%}"
        result.add(way, f"kill {number}: {'; '.join(problems)}" if problems else "")
    yield f"fleet serve under load: kill -9 ({described(kills)})", result
