"""Bytes on a mobile line: IP, TCP and TLS included, counted in the packets between the agent's client and a server.

Needs the right to read packets (CAP_NET_RAW). Loopback carries larger segments than a mobile line, so the headers are
counted as for segments of 1,400 bytes.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fleet_scale._serving import SEED
from benchmarks.fleet_scale._speaking import keys, report_of
from benchmarks.fleet_scale._tls import served
from benchmarks.table import TargetReport
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import SystemClock
from edgewright.fleet.protocol.transport import HttpTransport

_SEGMENT = 1400
_POLLS, _REPORTS = 1440, 1440
"""A day at the defaults: a poll and a report each minute, over one connection."""


class Line:
    """Counts the bytes of all packets from and to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port, self.bytes = port, 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self._socket.bind(("lo", 0x0800))
        threading.Thread(target=self._count, daemon=True).start()

    def of(self, step: Callable[[], object]) -> int:
        """Return the bytes that a step takes, with the acknowledgements that follow."""
        before = self.bytes
        step()
        time.sleep(0.3)
        return self.bytes - before

    def _count(self) -> None:
        while True:
            packet, where = self._socket.recvfrom(1 << 17)
            if where[2] == socket.PACKET_OUTGOING or packet[9] != socket.IPPROTO_TCP:  # loopback shows each twice
                continue
            head = 4 * (packet[0] & 15)
            if self._port not in struct.unpack_from("!HH", packet, head):
                continue
            heads = head + 4 * (packet[head + 12] >> 4)
            payload = struct.unpack_from("!H", packet, 2)[0] - heads
            self.bytes += payload + heads * max(1, -(-payload // _SEGMENT))


def measure(table: TargetReport) -> None:
    """Measure each exchange, and work out a day at the defaults and at an hour's pace."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        table("bytes on a mobile line", "left out: packets cannot be read here", "-", True)
        return
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (port, _, certificate):
        line, device = Line(port), Path(name) / "device"
        root = (Path(name) / "fleet" / "public" / "metadata" / "1.root.json").read_bytes()
        device.mkdir()
        pin(device, root, hashlib.sha256(root).hexdigest())
        address = f"https://127.0.0.1:{port}"
        transport = HttpTransport(address, str(certificate))
        client = Client(device, transport, SystemClock())
        first = line.of(client.refresh)
        poll = line.of(client.refresh)
        control = HttpControl(transport, keys(SEED, 1)[0], f"{0:032x}")
        report = line.of(lambda: control.report(report_of("", 0)))
        end = line.of(transport.close)
        begin = line.of(client.refresh) - poll + end
        client.close()
    together = begin + poll + report
    table("bytes of a first look with TLS", f"{first:,}", "-", True)
    table("bytes of a poll on a kept TLS connection", f"{poll:,}", "-", True)
    table("bytes of a report on it", f"{report:,}", "-", True)
    table("bytes of a new TLS connection and its end", f"{begin:,}", "-", True)
    table("a day at the defaults", f"{(_POLLS * poll + _REPORTS * report + begin) / 1e6:.2f} MB", "-", True)
    table("a day, a poll and a report an hour over one connection", f"{24 * together / 1e3:.0f} kB", "-", True)
    table("the same, each over its own", f"{24 * (together + begin) / 1e3:.0f} kB", "-", True)
