"""Devices whose connections stay open: each signs its own reports and records what was acknowledged to it."""

from __future__ import annotations

import random
import resource
import select
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.fleet_scale._serving import SEED
from benchmarks.fleet_scale._speaking import Speaker, keys, report_of
from edgewright.core.records.fleet import Acknowledged
from edgewright.device.store.records import Item

_ADDRESSES = 64
"""Client addresses of the loopback network: a server gives each client a share of its connections."""
_AT_ONCE = 32
"""Requests that wait for their answer at once."""
_POLLS = 0.2
"""Share of polls among the requests of open connections; the others are reports."""
_OPENING = 16
"""New connections whose first poll may wait at once: devices come back over a while, not in one moment."""
_POLL = b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: fleet\r\n\r\n"
_BORN = 1_800_000_000.0
_PATIENCE_S = 180.0
EXPECTED = frozenset({200, 429, 503})
"""Statuses of a server that is well or says that it is busy."""


class Device(Speaker):
    """Its `sequence` is the number of reports that were acknowledged to it, each with one item."""

    def report(self) -> bytes:
        """Return the next request; the same bytes as before where no acknowledgement came."""
        item = Item(device=self.name, boot=1, sequence=self.sequence, kind="event", put=_BORN, body={"priority": 1})
        raw = (msgspec.Raw(msgspec.json.encode(item)),)
        return self.signed(
            msgspec.json.encode(msgspec.structs.replace(report_of(self.nonce, self.sequence), items=raw))
        )


@dataclass
class _Connection:
    socket: socket.socket
    device: Device
    waiting: bool = False
    reporting: bool = False
    open: bool = True
    received: bytes = b""


class Devices:
    """Devices in one process, each with a connection of its own while they are connected.

    Args:
        count: of devices, whose keys are `keys(SEED, count)`.
        chance: draws who polls and who reports.

    Attributes:
        statuses: answers by status.
        closed: connections that the server closed.
        reports: number of acknowledged reports.
    """

    def __init__(self, count: int, chance: random.Random) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._chance = chance
        self.devices = [_device(number, key) for number, key in enumerate(keys(SEED, count))]
        self._connections: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self._events = select.epoll()
        self._waiting = 0
        self.statuses: Counter[int] = Counter()
        self.closed = self.reports = 0

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    @property
    def acknowledged(self) -> dict[str, int]:
        """Number of acknowledged reports of each device that has one; their sequences begin with 0."""
        return {device.name: device.sequence for device in self.devices if device.sequence}

    def connect(self, port: int, count: int) -> None:
        """Open a connection for each of so many devices, drawn by chance; each is polled once.

        Raises:
            RuntimeError: the server did not answer all of them.
        """
        addresses = cycle(f"127.0.{number >> 8}.{number & 255}" for number in range(2, 2 + _ADDRESSES))
        for device in self._chance.sample(self.devices, count):
            self._open(port, next(addresses), device)
            self._wait(_OPENING)
        self._wait(1)

    def run(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Report and poll for so long, and on until it is enough; answers that still wait are given up.

        Raises:
            RuntimeError: it is never enough.
        """
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until or not enough():
            if now > until + _PATIENCE_S:
                raise RuntimeError(f"too little was answered in {_PATIENCE_S:.0f} s")
            while self._waiting < _AT_ONCE and self._idle:
                connection = self._idle.popleft()
                if not connection.open:
                    continue
                connection.reporting = self._chance.random() >= _POLLS
                self._send(connection, connection.device.report() if connection.reporting else _POLL)
            self._hear(0.05)

    def drop(self) -> None:
        """Close all connections without a farewell."""
        for connection in self._connections.values():
            connection.socket.close()
        self._connections.clear()
        self._idle.clear()
        self._waiting = 0

    def _wait(self, max_waiting: int) -> None:
        """Wait until fewer requests than that wait for their answer."""
        until = time.monotonic() + _PATIENCE_S
        while self._waiting >= max_waiting:
            self._hear(0.1)
            if time.monotonic() > until:
                raise RuntimeError(f"{self._waiting} polls were not answered in {_PATIENCE_S:.0f} s")

    def _open(self, port: int, address: str, device: Device) -> None:
        opened = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S, source_address=(address, 0))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
        opened.setblocking(False)
        connection = _Connection(opened, device)
        self._connections[opened.fileno()] = connection
        self._events.register(opened.fileno(), select.EPOLLIN)
        self._send(connection, _POLL)

    def _send(self, connection: _Connection, request: bytes) -> None:
        self._waiting += 1
        connection.waiting = True
        try:
            connection.socket.sendall(request)
        except OSError:
            self._gone(connection)

    def _gone(self, connection: _Connection) -> None:
        self._waiting -= connection.waiting
        self.closed += 1
        connection.open = False
        del self._connections[connection.socket.fileno()]
        connection.socket.close()

    def _hear(self, seconds: float) -> None:
        for number, _ in self._events.poll(seconds):
            connection = self._connections[number]
            try:
                part = connection.socket.recv(65_536)
            except OSError:
                part = b""
            if not part:
                self._gone(connection)
                continue
            connection.received += part
            head, ended, body = connection.received.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            if ended and len(body) >= length:
                self._answered(connection, int(head[9:12]), body)

    def _answered(self, connection: _Connection, status: int, body: bytes) -> None:
        self._waiting -= 1
        connection.waiting = False
        self.statuses[status] += 1
        if connection.reporting and status == 200:
            connection.device.nonce = msgspec.json.decode(body, type=Acknowledged).nonce
            connection.device.sequence += 1
            self.reports += 1
        connection.received = b""
        self._idle.append(connection)


def _device(number: int, key: Ed25519PrivateKey) -> Device:
    return Device(f"{number:032x}", key)
