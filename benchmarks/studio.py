"""The studio with 1,000 runs: from its start to the first list, the list again, and what a journal costs an epoch.

The records are that of one real run, `edgewright run activity`, copied under other names. Targets are held to the
server's processor time, which other work on the machine does not change; seconds of the wall clock stand beside it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import markdown, median, python, verdict
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_journal import Journalling
from edgewright.schema.trace import EpochRecord
from edgewright.studio.summaries import Runs

RUNS, REPEATS, EPOCHS = 1_000, 9, 2_000
LIST_MS, START_S, EPOCH_US = 300.0, 1.0, 100.0


class Took(NamedTuple):
    """Seconds of the server's processor time and of the wall clock; the least of several by the former."""

    cpu: float
    wall: float


def main() -> int:
    """Print the table; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as location:
        runs = Path(location) / "runs"
        size = _thousand(runs)
        index = median([_timed(lambda: Runs(runs).finished()) for _ in range(REPEATS)]) * 1e3
        starts, firsts, later = zip(*(_served(runs) for _ in range(3)), strict=True)
        epoch = _epoch(Path(location) / "other") * 1e6
    start, first, again = (min(measured) for measured in (starts, firsts, later))
    rows = [
        [
            "start to the first answer",
            f"{start.cpu:.2f} s",
            f"{start.wall:.2f} s",
            "1 s",
            verdict(start.cpu <= START_S),
        ],
        [f"records of {RUNS:,} runs ({size / 1e6:.0f} MB) read and summarised", "", f"{index:.0f} ms", "", ""],
        _listed("list, first time after the start", first),
        _listed("list again, searched and sorted", again),
        ["journal of an epoch", "", f"{epoch:.0f} µs", f"{EPOCH_US:.0f} µs", verdict(epoch <= EPOCH_US)],
    ]
    print(markdown(["studio", "processor", "wall clock", "at most", ""], rows))
    return 0 if start.cpu <= START_S and max(first.cpu, again.cpu) * 1e3 <= LIST_MS and epoch <= EPOCH_US else 1


def _listed(name: str, took: Took) -> list[str]:
    within = verdict(took.cpu * 1e3 <= LIST_MS)
    return [name, f"{took.cpu * 1e3:.0f} ms", f"{took.wall * 1e3:.0f} ms", f"{LIST_MS:.0f} ms", within]


def _thousand(runs: Path) -> int:
    """Return a thousand run folders with a record each; the bytes of all records."""
    done = run_pipeline(read_config("activity", ("training.epochs=5",)), out=runs)
    content = (done.folder / "trace.json").read_bytes()
    for number in range(RUNS - 1):
        folder = runs / f"run-{number:04}"
        folder.mkdir()
        minute = f"2026-01-{1 + number // 48:02}T{number // 2 % 24:02}:{30 * (number % 2):02}:00Z".encode()
        changed = re.sub(rb'"started": "[^"]*"', b'"started": "' + minute + b'"', content)
        (folder / "trace.json").write_bytes(changed)
    return RUNS * len(content)


def _timed(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


def _served(runs: Path) -> tuple[Took, Took, Took]:
    """Return the start until the process answers, the first list, and a list searched and sorted."""
    edgewright = str(Path(python()).with_name("edgewright"))
    begun = time.perf_counter()
    process = subprocess.Popen(
        [edgewright, "studio", str(runs), "--port", "0", "--no-open"], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address is not None  # noqa: S101 - the line is the studio's own
        _read(address[0] + "static/studio.css")
        started = Took(_cpu(process.pid), time.perf_counter() - begun)
        first = _asked(process.pid, address[0])
        later = min(_asked(process.pid, address[0] + "?q=run&sort=accuracy") for _ in range(REPEATS))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    return started, first, later


def _asked(process: int, address: str) -> Took:
    before = _cpu(process)
    wall = _timed(lambda: _read(address))
    return Took(_cpu(process) - before, wall)


def _cpu(process: int) -> float:
    """Processor time of a process and its threads so far, to a hundredth: fields 14 and 15 of /proc/PID/stat."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
        content: bytes = answer.read()
    return content


def _epoch(runs: Path) -> float:
    """Return seconds that an epoch's line takes."""
    journal = Journalling(runs, read_config("activity"))
    journal.start("activity", "", "")
    record = EpochRecord(epoch=7, loss=0.31, accuracy=0.9, validation_loss=0.33, validation_accuracy=0.89, seconds=0.05)
    begun = time.perf_counter()
    for _ in range(EPOCHS):
        journal.epoch(record)
    spent = (time.perf_counter() - begun) / EPOCHS
    journal.end("finished", "")
    return spent


if __name__ == "__main__":
    sys.exit(main())
