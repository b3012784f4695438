"""10,000 devices that poll every ten seconds, against one process."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet.subject import prepare, publish, served
from benchmarks.table import python


@dataclass(frozen=True)
class Polled:
    """Answers and errors; seconds of latency; processor seconds of the server a second; its resident bytes."""

    answers: int
    changed: int
    errors: int
    what: str
    p50: float
    p99: float
    worst: float
    cores: float
    resident: int


def polled(folder: Path, devices: int, period: float, seconds: float) -> Polled:
    """Poll for `seconds` after one period of warming up; in the middle something new is published."""
    prepare(folder)
    with served(folder) as (port, process):
        command = [python(), "-m", "benchmarks.fleet.load", f"--port={port}", f"--devices={devices}"]
        load = subprocess.Popen(
            [*command, f"--period={period}", f"--seconds={seconds}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert load.stderr is not None  # noqa: S101
        load.stderr.readline()
        threading.Timer(period + seconds / 2, publish, (folder, 2)).start()
        time.sleep(period)
        before, began = _cpu(process.pid), time.perf_counter()
        time.sleep(seconds)
        cores = (_cpu(process.pid) - before) / (time.perf_counter() - began)
        out, err = load.communicate(timeout=60)
        if load.returncode:
            raise RuntimeError(err.decode())
        resident = resident_bytes(process.pid)
    document = json.loads(out)
    late = document["latencies"]
    return Polled(
        len(late), document["statuses"].get("200", 0), sum(document["errors"].values()), str(document["errors"] or ""),
        late[len(late) // 2], late[int(len(late) * 0.99)], late[-1], cores, resident,
    )  # fmt: skip


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def resident_bytes(pid: int) -> int:
    """Return bytes that a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
