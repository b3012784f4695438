"""What tracing adds to a run: whole commands with everything against commands that record nothing, in turns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from benchmarks.table import median, python, spent

TURNS = 9


@dataclass(frozen=True)
class Slowed:
    """Median seconds of wall clock with and without, and the medians of the ratios of neighbours, less one."""

    traced: float
    bare: float
    share: float
    cpu_share: float


def slowed(pipeline: str) -> Slowed:
    """Run a pipeline in turns, each time in a process of its own, after one of each kind that is not counted."""
    wall: dict[str, list[float]] = {"traced": [], "bare": []}
    cpu: dict[str, list[float]] = {"traced": [], "bare": []}
    for turn in range(TURNS + 1):
        for kind in sorted(wall, reverse=turn % 2 == 0):
            with tempfile.TemporaryDirectory() as folder:
                used = spent([python(), "-m", "benchmarks.page.one_run", pipeline, kind, folder])
            if turn:
                wall[kind].append(used.seconds)
                cpu[kind].append(used.cpu_seconds)
    return Slowed(median(wall["traced"]), median(wall["bare"]), _more(wall), _more(cpu))


def _more(times: dict[str, list[float]]) -> float:
    return median([a / b for a, b in zip(times["traced"], times["bare"], strict=True)]) - 1
