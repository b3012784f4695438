"""From the last row of a window to the decision that is printed: a sender in real time, another process, its clock."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time

from benchmarks.device.subject import COLUMNS, RATE, Subject, agent, stepped
from benchmarks.table import ONE_THREAD, python

_TABLE = """name = "each"
states = ["here"]
initial = "here"
final = ["here"]
fallback = "stay"
steps = [
  { state = "here", event = "window", actions = [{ event = "answer" }] },
  { state = "here", event = "unsure", actions = [{ event = "answer" }] },
]
"""


_ECHO = """
import json, os
held = b""
while data := os.read(0, 65536):
    *lines, held = (held + data).split(b"\\n")
    for line in (line for line in lines if line[:4] != b"time"):
        os.write(1, json.dumps({"kind": "state", "time": float(line.split(b",")[0])}).encode() + b"\\n")
"""


def echoed(subject: Subject, seconds: float) -> list[float]:
    """Time the same way through a process that only echoes each row's time, sorted: the share of the machine itself."""
    process = subprocess.Popen([python(), "-c", _ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return _measured(process, subject, seconds)


def delays(subject: Subject, seconds: float, step: int) -> list[float]:
    """Seconds from writing the row that ends a window to reading the event of a rule that follows its answer, sorted.

    Every row carries the sender's monotonic clock as its time, which is the same in all processes of a machine; the
    event's time is that of the row.
    """
    package = stepped(subject.package, step, subject.folder / "stepped.edge")
    (subject.folder / "each.toml").write_text(_TABLE)
    config = subject.folder / "delay.toml"
    # A pipe from another process has no gaps but those of this machine's scheduler: rows keep their own times.
    config.write_text(f'[[packages]]\npath = "{package}"\n[[rules]]\npath = "each.toml"\n[timeline]\nfill = 1.0\n')
    command = agent(subject.folder, "--json", "--config", str(config), "--source", "csv:-")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    return _measured(process, subject, seconds)


def _measured(process: subprocess.Popen[bytes], subject: Subject, seconds: float) -> list[float]:
    delays: list[float] = []
    reader = threading.Thread(target=_read, args=(process, delays))
    reader.start()
    _send(process, subject, seconds)
    process.wait(30)
    reader.join()
    return sorted(delays)


def _send(process: subprocess.Popen[bytes], subject: Subject, seconds: float) -> None:
    if process.stdin is None:
        raise AssertionError
    process.stdin.write(f"time,{','.join(COLUMNS)}\n".encode())
    lines = [",".join(f"{value:.6g}" for value in row) for row in subject.rows.tolist()]
    time.sleep(1.0)
    began = time.monotonic()
    for index in range(int(seconds * RATE)):
        time.sleep(max(0.0, began + index / RATE - time.monotonic()))
        process.stdin.write(f"{time.monotonic():.6f},{lines[index % len(lines)]}\n".encode())
        process.stdin.flush()
    process.stdin.close()


def _read(process: subprocess.Popen[bytes], delays: list[float]) -> None:
    if process.stdout is None:
        raise AssertionError
    for line in process.stdout:
        now = time.monotonic()
        event = json.loads(line)
        if event["kind"] == "state":
            delays.append(now - event["time"])
