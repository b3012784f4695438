"""A gateway: 100 devices post six channels at 50 Hz over HTTP to one process that answers them with many packages."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.device.subject import COLUMNS, RATE, Subject, agent, cpu_seconds, peak
from benchmarks.table import ONE_THREAD

_SENDERS = 4


@dataclass(frozen=True)
class Cost:
    """Share of a core, most bytes in memory, rows that came a second, answers that were refused."""

    core: float
    peak: int
    rows: float
    refused: int


def gateway(subject: Subject, devices: int, seconds: float, a_second: int, packages: int) -> Cost:
    """Run the gateway for a while.

    Args:
        subject: what it answers with.
        devices: how many post.
        seconds: of the measurement, after two of warming up.
        a_second: posts of each device a second.
        packages: loaded at once; each answers its share of the devices.
    """
    port = _free_port()
    config = subject.folder / "gateway.toml"
    entries = [
        f'[[packages]]\npath = "{subject.package}"\nname = "p{n}"\nengine = "extension"\nstreams = ["d{n}-*"]\n'
        for n in range(packages)
    ]
    config.write_text(f'[source]\nkind = "http"\nport = {port}\nrate = {RATE}\n' + "".join(entries))
    process = subprocess.Popen(
        agent(subject.folder, "--quiet", "--config", str(config)), env={**os.environ, **ONE_THREAD}
    )
    stop = threading.Event()
    counts = {"rows": 0, "refused": 0}
    names = [f"d{n % packages}-{n}" for n in range(devices)]
    bodies = _bodies(subject, int(RATE) // a_second)
    threads = [
        threading.Thread(target=_post, args=(port, names[n::_SENDERS], bodies, a_second, stop, counts))
        for n in range(_SENDERS)
    ]
    _wait(port)
    for thread in threads:
        thread.start()
    time.sleep(3.0)
    before, began, rows = cpu_seconds(process.pid), time.monotonic(), counts["rows"]
    time.sleep(seconds)
    used, took = cpu_seconds(process.pid) - before, time.monotonic() - began
    came = (counts["rows"] - rows) / took
    maximum = peak(process.pid)
    stop.set()
    for thread in threads:
        thread.join()
    process.terminate()
    process.wait(30)
    return Cost(used / took, maximum, came, counts["refused"])


def _bodies(subject: Subject, rows: int) -> list[bytes]:
    header = ",".join(COLUMNS)
    parts = np.split(subject.rows[: len(subject.rows) // rows * rows], len(subject.rows) // rows)
    return [
        "\n".join([header, *(",".join(f"{v:.6g}" for v in row) for row in part.tolist()), ""]).encode()
        for part in parts
    ]


def _post(
    port: int, names: list[str], bodies: list[bytes], a_second: int, stop: threading.Event, counts: dict[str, int]
) -> None:
    """Post for its share of the devices, spread over each period."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    rows = int(RATE) // a_second
    began, turn = time.monotonic(), 0
    while not stop.is_set():
        for index, name in enumerate(names):
            due = began + (turn + index / len(names)) / a_second
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request("POST", f"/{name}", bodies[(turn + index * 7) % len(bodies)])
            answer = connection.getresponse()
            answer.read()
            if answer.status // 100 == 2:
                counts["rows"] += rows
            else:
                counts["refused"] += 1
            if stop.is_set():
                break
        turn += 1
    connection.close()


def _free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


def _wait(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the gateway does not listen")
