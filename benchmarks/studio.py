"""The studio with 1,000 runs: from its start to the first list, the list again, and what a journal costs an epoch.

The records are that of one real run, `edgewright run activity`, copied under other names.
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

from benchmarks.table import markdown, median, python, verdict
from edgewright.pipeline.config import read_config
from edgewright.pipeline.journalling import Journalling
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.trace import EpochRecord
from edgewright.studio.summaries import Runs

RUNS, REPEATS, EPOCHS = 1_000, 9, 2_000
LIST_MS, START_S, EPOCH_US = 300.0, 1.0, 100.0


def main() -> int:
    """Prints the table; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as place:
        runs = Path(place) / "runs"
        size = _thousand(runs)
        first_index = median([_timed(lambda: Runs(runs).finished()) for _ in range(REPEATS)]) * 1e3
        starts, firsts, later = zip(*(_served(runs) for _ in range(3)), strict=True)
        epoch = _epoch(Path(place) / "other") * 1e6
    start, first, again = median(list(starts)), median(list(firsts)) * 1e3, median(list(later)) * 1e3
    rows = [
        ["start of the process to its first answer", f"{start:.2f} s", f"{START_S:.0f} s", verdict(start <= START_S)],
        [f"records of {RUNS:,} runs ({size / 1e6:.0f} MB) read and summarised", f"{first_index:.0f} ms", "-", ""],
        ["list, first time after the start", f"{first:.0f} ms", f"{LIST_MS:.0f} ms", verdict(first <= LIST_MS)],
        ["list again, searched and sorted", f"{again:.0f} ms", f"{LIST_MS:.0f} ms", verdict(again <= LIST_MS)],
        ["journal of an epoch", f"{epoch:.0f} µs", f"{EPOCH_US:.0f} µs", verdict(epoch <= EPOCH_US)],
    ]
    print(markdown(["studio", "median", "at most", ""], rows))
    return 0 if start <= START_S and max(first, again) <= LIST_MS and epoch <= EPOCH_US else 1


def _thousand(runs: Path) -> int:
    """A thousand run folders with a record each; the bytes of all records."""
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


def _served(runs: Path) -> tuple[float, float, float]:
    """Seconds until the process answers, of the first list, and of a list searched and sorted."""
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
        started = time.perf_counter() - begun
        first = _timed(lambda: _read(address[0]))
        later = median([_timed(lambda: _read(address[0] + "?q=run&sort=accuracy")) for _ in range(REPEATS)])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    return started, first, later


def _read(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
        content: bytes = answer.read()
    return content


def _epoch(runs: Path) -> float:
    """Seconds that an epoch's line takes."""
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
