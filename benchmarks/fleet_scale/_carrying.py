"""Devices that hand over full outboxes, all at once: over HTTP alone, or through a broker as the agent does.

`python -m benchmarks.fleet_scale._carrying SEED DEVICES ITEMS PORT BROKER`; BROKER is 0 for none. Each first reports
with nothing in its outbox, over HTTP, and hears the key of answers; then its outbox is filled. Chooser, envelope,
signatures, teller and pace are the agent's own. What came of it is a line of JSON.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import partial

from benchmarks.fleet_scale._hub import Hub, HubTransport
from benchmarks.fleet_scale._returning import _FACTS, Chance, Full, Told, World
from benchmarks.fleet_scale._speaking import keys
from edgewright.fleet.device.bulk_transport import Bulk
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.reports import ReportTeller
from edgewright.fleet.protocol.ports import Answer, Transport, Unreachable
from edgewright.fleet.protocol.wire.broker import answer_topic, report_topic
from edgewright.fleet.simulator.disk import Disk, KeptState
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.fleet_report import Enrolled

PRODUCT = "pump"
_PATIENCE = 300.0
_CONNECT, _PUBLISH, _SUBSCRIBE = 0x10, 0x30, 0x82


def _text(content: str) -> bytes:
    data = content.encode()
    return struct.pack("!H", len(data)) + data


def _packet(kind: int, content: bytes) -> bytes:
    length, coded = len(content), b""
    while True:
        length, digit = divmod(length, 128)
        coded += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + coded + content


class HubBroker:
    """As `agent.bulk.Asking`: MQTT 3.1.1 by hand, in a greenlet."""

    def __init__(self, hub: Hub, port: int, device: str) -> None:
        self._hub, self._port, self._device, self._got, self._mid = hub, port, device, b"", 0
        self._plug = socket.socket()
        self.connected = False

    def begin(self) -> None:
        """Connects, and listens for answers."""
        self._plug.setblocking(False)
        self._plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._plug.connect_ex(("127.0.0.1", self._port))
        self._hub.wait(self._plug, select.EPOLLOUT, 30.0)
        head = _text("MQTT") + bytes([4, 2]) + struct.pack("!H", 1200)
        self._send(_packet(_CONNECT, head + _text(self._device)), 30.0)
        self._next(30.0)
        topic = _text(answer_topic(PRODUCT, self._device))
        self._send(_packet(_SUBSCRIBE, struct.pack("!H", 1) + topic + b"\0"), 30.0)
        self._next(30.0)
        self.connected = True

    def ask(self, message: bytes, believed: Callable[[bytes], Answer | None], seconds: float) -> Answer:
        """As `Asking.ask`."""
        until = time.monotonic() + seconds
        self._mid = self._mid % 60_000 + 1
        topic = _text(report_topic(PRODUCT, self._device))
        try:
            self._send(_packet(_PUBLISH | 2, topic + struct.pack("!H", self._mid) + message), seconds)
            while True:
                kind, content = self._next(until - time.monotonic())
                if kind & 0xF0 == _PUBLISH:
                    answer = believed(content[2 + struct.unpack("!H", content[:2])[0] :])
                    if answer is not None:
                        return answer
        except TimeoutError:
            raise Unreachable("no answer in time") from None
        except OSError as error:
            raise Unreachable(f"{error}") from None

    def _send(self, data: bytes, seconds: float) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._plug.send(left) :]
            except BlockingIOError:
                self._hub.wait(self._plug, select.EPOLLOUT, seconds)

    def _next(self, seconds: float) -> tuple[int, bytes]:
        """Kind and content of the next packet."""
        while True:
            found = self._whole()
            if found is not None:
                return found
            try:
                part = self._plug.recv(65536)
            except BlockingIOError:
                self._hub.wait(self._plug, select.EPOLLIN, max(0.0, seconds))
                continue
            if not part:
                raise OSError("closed")
            self._got += part

    def _whole(self) -> tuple[int, bytes] | None:
        length = place = 0
        for place in range(1, min(5, len(self._got))):
            length |= (self._got[place] & 0x7F) << 7 * (place - 1)
            if self._got[place] < 0x80:
                break
        else:
            return None
        end = place + 1 + length
        if len(self._got) < end:
            return None
        kind, content, self._got = self._got[0], self._got[place + 1 : end], self._got[end:]
        return kind, content


class Device:
    """One device and its outbox."""

    def __init__(self, number: int, count: int, hub: Hub, ports: tuple[int, int], world: World, told: Told) -> None:
        name, chance = f"{number:032x}", Chance(number)
        self._hub, self._world, self._told, self._chance = hub, world, told, chance
        key = keys_of[number]
        state = KeptState(Disk(written=False))
        state.enrol(Enrolled(device=name, tags=(), batch="b", at=0.0, nonce=""))
        self.outbox = Full(name, count, self._happened)
        self.transport: Transport = HubTransport(hub, ports[0], told.answered)
        self.broker = HubBroker(hub, ports[1], name) if ports[1] else None
        self.bulk = None
        if self.broker is not None:
            self.transport = self.bulk = Bulk(
                self.transport, self.broker, key, name, world, chance, bulky=self.outbox.backlog, note=self._noted
            )
        self._teller = ReportTeller(state, HttpControl(self.transport, key, name), world, chance, outbox=self.outbox)
        self.ready = False

    def live(self, begin: Callable[[], bool]) -> None:
        """From the first report to the last item."""
        try:
            self._hub.sleep(self._chance.share() * 10.0)
            if self.broker is not None:
                self.broker.begin()
            self._teller._last = -1e9
            while not self._told_once():
                self._hub.sleep(1.0)
            self.ready = True
            while not begin():
                self._hub.sleep(0.2)
            self._hub.sleep(self._chance.share() * 2.0)
            self.outbox.filled = True
            while self.outbox._waiting:
                self._hub.sleep(max(0.01, self._teller.tell(_FACTS)))
        except (EdgewrightError, OSError) as error:
            self._told.wrong(str(error)[:80])

    def _told_once(self) -> bool:
        self._teller._pace.due, self._teller._pace.failures = 0.0, 0
        self._teller.tell(_FACTS)
        return self._teller._pending is None

    def _noted(self, why: str) -> None:
        if why:
            self._told.wrong(f"went on over HTTP: {why}"[:80])

    def _happened(self, what: str) -> None:
        getattr(self._told, what).append(self._world.monotonic())


keys_of = keys(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 5 else []


def main() -> None:
    """Prints 'ready' when all have reported once, and after a line of input what came of the rest."""
    _, count, items, port, broker = map(int, sys.argv[1:6])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub, world, told = Hub(), World(), Told()
    begun: list[int] = []
    world.begin()
    devices = [Device(number, items, hub, (port, broker), world, told) for number in range(count)]
    for device in devices:
        hub.start(partial(device.live, lambda: bool(begun)))
    until = time.monotonic() + _PATIENCE
    hub.run(lambda: all(one.ready for one in devices) or time.monotonic() > until)
    before = {name: dict(getattr(told, name)) for name in ("statuses", "errors")}
    print("ready", sum(one.ready for one in devices), flush=True)
    sys.stdin.readline()
    began, used = world.monotonic(), time.process_time()
    begun.append(1)
    hub.run(lambda: len(told.drained) == count or world.monotonic() > began + _PATIENCE)
    statuses = {key: n - before["statuses"].get(key, 0) for key, n in told.statuses.items()}
    found = {
        "drained": sorted(one - began for one in told.drained), "statuses": statuses, "errors": told.errors,
        "carried": sum(one.bulk.carried for one in devices if one.bulk), "used": time.process_time() - used,
    }  # fmt: skip
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
