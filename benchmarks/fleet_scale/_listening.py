"""Devices that listen at a broker and ask for files when they are woken, each over connections of its own.

`python -m benchmarks.fleet_scale._listening FIRST DEVICES BROKER SERVER` speaks MQTT 3.1.1 as the agent does: its
topic, QoS 0, a clean session, a keep-alive of 120 s. When news are heard, a device waits as the agent does and asks for
the files that its refresh then asks for. It says when all listen; each line of input asks for what was counted since.
"""

from __future__ import annotations

import json
import random
import resource
import select
import socket
import struct
import sys
import time
from functools import partial

from benchmarks.fleet_scale._hub import Hub, HubTransport
from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.protocol.wire.broker import SPREAD, news_topic

PRODUCT = "pump"
_KEEP_ALIVE, _PING = 120, 50.0
_CONNACK, _SUBACK, _PUBLISH = 0x20, 0x90, 0x30


class ListenReport:
    """What was counted since it was last asked."""

    def __init__(self) -> None:
        self.listening = 0
        self.clear()

    def clear(self) -> None:
        """From here on anew."""
        self.heard: list[float] = []
        self.asked: list[float] = []
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.errors: dict[str, int] = {}

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Record a response of the server."""
        self.statuses[str(status)] = self.statuses.get(str(status), 0) + 1
        self.latencies.append(seconds)

    def wrong(self, reason: str) -> None:
        """Something that must not be."""
        self.errors[reason] = self.errors.get(reason, 0) + 1


def _text(content: str) -> bytes:
    data = content.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, content: bytes) -> bytes:
    assert len(content) < 128  # noqa: S101 - one byte of length is enough here
    return bytes([kind, len(content)]) + content


class Listener:
    """One device."""

    def __init__(self, number: int, hub: Hub, broker: int, server: int, report: ListenReport) -> None:
        self._number, self._hub, self._broker, self._report = number, hub, broker, report
        self._transport = HubTransport(hub, server, report.answered)
        self._got = b""

    def live(self) -> None:
        """Listen until the process ends."""
        try:
            with socket.socket() as plug:
                self._subscribe(plug)
                self._report.listening += 1
                while True:
                    kind = self._next(plug)
                    if kind & 0xF0 == _PUBLISH:
                        self._report.heard.append(time.time())
                        # In a greenlet of its own: what is heard meanwhile is noted when it comes.
                        self._hub.start(self._ask)
        except OSError as error:
            self._report.wrong(f"broker: {error}"[:80])

    def _subscribe(self, plug: socket.socket) -> None:
        plug.setblocking(False)
        plug.connect_ex(("127.0.0.1", self._broker))
        self._hub.wait(plug, select.EPOLLOUT, 30.0)
        name = f"ew-{self._number:020x}"
        plug.send(_packet(0x10, _text("MQTT") + bytes([4, 2]) + struct.pack("!H", _KEEP_ALIVE) + _text(name)))
        if self._next(plug) != _CONNACK:
            raise OSError("no CONNACK")
        plug.send(_packet(0x82, struct.pack("!H", 1) + _text(news_topic(PRODUCT)) + b"\0"))
        if self._next(plug) != _SUBACK:
            raise OSError("no SUBACK")

    def _next(self, plug: socket.socket) -> int:
        """First byte of the next packet; pings where none comes."""
        while len(self._got) < 2 or len(self._got) < 2 + self._got[1]:
            try:
                part = plug.recv(4096)
            except BlockingIOError:
                try:
                    self._hub.wait(plug, select.EPOLLIN, _PING, first=True)
                except TimeoutError:
                    plug.send(b"\xc0\0")
                continue
            if not part:
                raise OSError("closed")
            self._got += part
        kind, length = self._got[0], self._got[1]
        self._got = self._got[2 + length :]
        return kind

    def _ask(self) -> None:
        self._hub.sleep(SPREAD * random.random())  # noqa: S311 - no secret
        try:
            document = json.loads(self._file("metadata/timestamp.json"))
            self._file("metadata/2.root.json")  # there is none yet
            version = document["signed"]["meta"]["snapshot.json"]["version"]
            snapshot = json.loads(self._file(f"metadata/{version}.snapshot.json"))
            version = snapshot["signed"]["meta"]["rollouts.json"]["version"]
            rollouts = json.loads(self._file(f"metadata/{version}.rollouts.json"))
            target, record = next(iter(rollouts["signed"]["targets"].items()))
            folder, _, name = target.rpartition("/")
            self._file(f"targets/{folder}/{record['hashes']['sha256']}.{name}")
        except (Unreachable, ValueError, KeyError) as error:
            self._report.wrong(f"server: {error}"[:80])
        self._report.asked.append(time.time())

    def _file(self, path: str) -> bytes:
        with self._transport.exchange("GET", f"/{path}", {}) as answer:
            return answer.whole(1 << 20)


def main() -> None:
    """Listen until its input ends."""
    first, count, broker, server = map(int, sys.argv[1:5])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub, report = Hub(), ListenReport()
    for number in range(first, first + count):
        hub.start(partial(_late, hub, (number - first) / 1000.0, Listener(number, hub, broker, server, report)))
    hub.run(lambda: report.listening == count or bool(report.errors))
    print(json.dumps({"listening": report.listening, "errors": report.errors}), flush=True)
    while True:
        hub.run(lambda: bool(select.select([sys.stdin], [], [], 0.0)[0]), every=0.05)
        if not sys.stdin.readline():
            return
        document = {name: getattr(report, name) for name in ("heard", "asked", "latencies", "statuses", "errors")}
        print(json.dumps(document), flush=True)
        report.clear()


def _late(hub: Hub, seconds: float, one: Listener) -> None:
    hub.sleep(seconds)
    one.live()


if __name__ == "__main__":
    main()
