"""Many devices that poll: keep-alive connections over raw sockets and epoll, in a process of its own.

Each device asks for `/metadata/timestamp.json` with the ETag that it has, at its own moment within the period. A
latency counts from the moment at which the request was due, so that a slow server, or a slow generator, cannot hide
what waited (coordinated omission); it ends when the whole answer is there.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass, field

_PATH = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: fleet\r\n"
_HURRY = 0.002


@dataclass
class _Device:
    socket: socket.socket
    due: float
    tag: bytes = b""
    asked: bool = False
    received: bytes = b""


@dataclass
class Counted:
    """What came of the polls after the warm-up."""

    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)

    def wrong(self, reason: str) -> None:
        """One that went wrong."""
        self.errors[reason] = self.errors.get(reason, 0) + 1


def main() -> None:
    """Poll and print what it counted as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--period", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    devices = _connected(given.port, given.devices)
    print("connected", file=sys.stderr, flush=True)
    counted = _polled(devices, given.period, given.seconds)
    document = {"latencies": sorted(counted.latencies), "errors": counted.errors, "statuses": counted.statuses}
    print(json.dumps(document))


def _connected(port: int, count: int) -> list[_Device]:
    devices = []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        devices.append(_Device(connection, 0.0))
        if number % 200 == 199:
            time.sleep(0.02)
    return devices


def _polled(devices: list[_Device], period: float, seconds: float) -> Counted:
    """Poll for one period without counting, then for `seconds`."""
    counted = Counted()
    waiting = select.epoll()
    by_file = {device.socket.fileno(): device for device in devices}
    for number in by_file:
        waiting.register(number, select.EPOLLIN)
    began = time.perf_counter() + 0.2
    for index, device in enumerate(devices):
        device.due = began + period * index / len(devices)
    count_from, until, index = began + period, began + period + seconds, 0
    # Due times rise along the list and each rises by the period: the next one due is always the next in the circle.
    while (now := time.perf_counter()) < until + 5.0:
        while devices[index].due <= now and devices[index].due < until:
            _ask(devices[index], counted)
            index = (index + 1) % len(devices)
        over = devices[index].due >= until
        if over and not any(device.asked for device in devices):
            break
        pause = max(0.0, min(_HURRY, devices[index].due - time.perf_counter())) if not over else _HURRY
        for number, _ in waiting.poll(pause, len(devices)):
            _hear(by_file[number], counted, count_from, period)
    for device in devices:
        if device.asked:
            counted.wrong("no answer")
    return counted


def _ask(device: _Device, counted: Counted) -> None:
    if device.asked:
        counted.wrong("still waiting when the next poll was due")
        device.due += 1e9
        return
    tag = b"If-None-Match: " + device.tag + b"\r\n" if device.tag else b""
    try:
        device.socket.send(_PATH + tag + b"\r\n")
    except OSError as error:
        counted.wrong(type(error).__name__)
        device.due += 1e9
        return
    device.asked = True


def _hear(device: _Device, counted: Counted, count_from: float, period: float) -> None:
    try:
        part = device.socket.recv(65_536)
    except OSError as error:
        part = b""
        counted.wrong(type(error).__name__)
    if not part:
        counted.wrong("closed")
        device.asked = False
        device.socket.close()
        device.due += 1e9
        return
    device.received += part
    head, separator, body = device.received.partition(b"\r\n\r\n")
    if not separator:
        return
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    if len(body) < length:
        return
    status = int(head[9:12])
    device.tag = next((line[5:].strip() for line in lines if line.startswith(b"etag:")), device.tag)
    if device.due >= count_from:
        counted.latencies.append(time.perf_counter() - device.due)
        counted.statuses[status] = counted.statuses.get(status, 0) + 1
    if status not in (200, 304):
        counted.wrong(f"status {status}")
    device.received, device.asked = b"", False
    device.due += period


if __name__ == "__main__":
    main()
