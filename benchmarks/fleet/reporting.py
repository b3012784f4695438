"""Durable reports a second: group commit against a commit each, the same reports into the same tables.

Both run in one process, in turns: a report as its bytes -> decoded -> written with `synchronous=FULL` ->
acknowledged. `python -m benchmarks.fleet.reporting DIR` prints both rates as one line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa

from benchmarks.table import ONE_THREAD, ROOT, python
from edgewright.core.records.fleet import Acknowledged, Report, Vitals
from edgewright.fleet.repository.metadata import sha256
from edgewright.fleet.server import reports
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import devices

DEVICES = 2000
_TURNS, _SECONDS = 4, 2.0
_WAITING = 2000
"""Reports that wait for their acknowledgement at once; so many devices are heard at the same time."""


@dataclass(frozen=True)
class Reported:
    """Durable reports a second, and seconds of a bare flush of 4 KiB."""

    each: float
    grouped: float
    flush: float


def reported(folder: Path, flush_us: int = 0) -> Reported:
    """Measure in a process of its own, whose flushes take `flush_us` microseconds longer."""
    settings = {**os.environ, **ONE_THREAD}
    if flush_us:
        library = folder / "slow_disk.so"
        source = Path(__file__).with_name("slow_disk.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        settings |= {"LD_PRELOAD": str(library), "EDGEWRIGHT_FLUSH_US": str(flush_us)}
    command = [python(), "-m", "benchmarks.fleet.reporting", str(folder)]
    completed = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=True)
    return Reported(**json.loads(completed.stdout))


def main() -> None:
    """Print the rates."""
    folder = Path(sys.argv[1])
    each, grouped, flush = [], [], []
    # In turns, so that what else the machine does meets both.
    for turn in range(_TURNS):
        each.append(_rate(folder / f"each{turn}", group=1, waiting=1, seconds=_SECONDS))
        grouped.append(_rate(folder / f"grouped{turn}", group=1024, waiting=_WAITING, seconds=_SECONDS))
        flush.append(_flush(folder))
    mean = statistics.fmean
    print(json.dumps({"each": mean(each), "grouped": mean(grouped), "flush": mean(flush)}))


def _rate(folder: Path, *, group: int, waiting: int, seconds: float) -> float:
    folder.mkdir()
    database = open_database(folder)
    names = [f"{number:032x}" for number in range(DEVICES)]
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices), [_device(name) for name in names])
    committer = Committer(database.writing, waiting=waiting + 1, group=group)
    nonces, sequence, done, index = ["start"] * DEVICES, [0] * DEVICES, 0, 0
    open_ones: deque[tuple[int, Future[bytes]]] = deque()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or open_ones:
        while len(open_ones) < waiting and time.perf_counter() - began < seconds:
            open_ones.append((index, _put(committer, names[index], nonces[index], sequence[index])))
            sequence[index] += 1
            index = (index + 1) % DEVICES
        if open_ones:
            device, answer = open_ones.popleft()
            nonces[device] = msgspec.json.decode(answer.result(), type=Acknowledged).nonce
            done += 1
    took = time.perf_counter() - began
    committer.close()
    database.close()
    shutil.rmtree(folder)
    return done / took


def _put(committer: Committer, device: str, nonce: str, sequence: int) -> Future[bytes]:
    vitals = Vitals(seconds=60.0, windows=60, latency=(0.004, 0.009), memory=40_000_000, channels=6, classes={"ok": 60})
    device_report = Report(
        nonce=nonce, sequence=sequence, counter=3, floor=3, phase="idle", plan="p", stage=1, vitals=vitals
    )
    body = msgspec.json.encode(device_report)
    report = msgspec.json.decode(body, type=Report)
    one = reports.arrived(device, report, sha256(body), at=time.time(), nonce=os.urandom(16).hex(), wait=60.0)
    return committer.submit_to(reports.take, one)


def _device(name: str) -> dict[str, object]:
    return {
        "id": name, "key": name[:43], "name": "d", "product": "pump", "profile": "pi", "tags": (), "given": (),
        "batch": "b", "token": "", "enrolled_at": 0.0, "nonce": "start",
    }  # fmt: skip


def _flush(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        return (time.perf_counter() - began) / 50


if __name__ == "__main__":
    main()
