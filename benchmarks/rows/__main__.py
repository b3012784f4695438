"""Rows, accuracy, processor seconds and peak memory of `edgewright run` and of boosting by hand.

    python -m benchmarks.rows [--rows 10000,100000,1000000] [--seeds 3] [--kinds csv,parquet] [--no-peer]

Each run is a process of its own; memory is the largest that its process had in RAM (VmHWM of Linux).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.rows.generator import write
from benchmarks.table import markdown
from edgewright.trace.record import read_trace

# Seconds between two readings of a process's memory.
_STEP_S = 0.1
HEADERS = ("rows", "file", "seed", "who", "accuracy", "CPU-s", "peak MB", "model")


class Cost(NamedTuple):
    """Processor seconds and peak memory in MB of a process, and what it wrote on stdout."""

    cpu_s: float
    peak_mb: float
    output: str


def measured(command: list[str]) -> Cost:
    """Run a command to its end and return what it took.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        peak_kb, status = 0, Path(f"/proc/{process.pid}/status")
        while True:
            ended, code, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            lines = status.read_text().splitlines()
            sizes = [int(line.split()[1]) for line in lines if line.startswith(("VmHWM:", "VmRSS:"))]
            # A run sets its own high-water mark back before each of its stages, to measure them.
            peak_kb = max([peak_kb, *sizes])
            time.sleep(_STEP_S)
        process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        output.seek(0)
        return Cost(usage.ru_utime + usage.ru_stime, peak_kb * 1024 / 1e6, output.read())


def ours(path: Path, room: Path) -> list[str]:
    """Return the cells of `edgewright run` on a file."""
    cost = measured([sys.executable, "-m", "edgewright", "run", str(path), "--out", str(room), "--force"])
    trace = read_trace(room / path.stem / "trace.json")
    if trace.evaluation is None or trace.evaluation.accuracy is None or trace.race is None:
        raise SystemExit(f"{path.name}: nothing was raced and evaluated")
    accuracy = trace.evaluation.accuracy
    right = f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f})"
    return ["edgewright run", right, f"{cost.cpu_s:.0f}", f"{cost.peak_mb:.0f}", trace.race.chosen]


def peer(path: Path) -> list[str]:
    """Return the cells of boosting by hand on a file."""
    cost = measured([sys.executable, "-m", "benchmarks.rows.peer", str(path)])
    return ["by hand", f"{float(cost.output):.4f}", f"{cost.cpu_s:.0f}", f"{cost.peak_mb:.0f}", "HistGradientBoosting"]


def main() -> int:
    """Print a row as each process ends, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", default="10000,100000,1000000", help="Sizes of the tables, with commas.")
    parser.add_argument("--seeds", type=int, default=3, help="Tables of each size.")
    parser.add_argument("--kinds", default="csv", help="csv, parquet or both, with a comma.")
    parser.add_argument("--no-peer", action="store_true", help="Leave boosting by hand out.")
    given = parser.parse_args()
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        for count in map(int, given.rows.split(",")):
            for seed, kind in ((seed, kind) for seed in range(given.seeds) for kind in given.kinds.split(",")):
                path = room / f"rows-{count}-{seed}-{kind}.{kind}"
                write(path, count, seed)
                for cells in (ours(path, room / "runs"), *([] if given.no_peer else [peer(path)])):
                    rows.append([f"{count:,}", kind, f"{seed}", *cells])
                    print(*rows[-1], sep=" | ", flush=True)
                path.unlink()
    print(markdown(HEADERS, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
