"""Devices that were cut off and return: the agent's own reports, pace and signatures, over real connections.

`python -m benchmarks.fleet_scale._returning SEED DEVICES ITEMS PORT` lets them fail for half an hour of their
own clock, which takes seconds; then the server can be reached, and each goes on from where its pace was. The
result is a line of JSON.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.fleet_scale._hub import Hub, HubTransport
from benchmarks.fleet_scale._speaking import keys
from edgewright.core.errors import EdgewrightError
from edgewright.core.records.fleet import Acknowledged, Enrolled, Report, Vitals
from edgewright.device.store.records import Item
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.device.ports import BACK, Pace
from edgewright.fleet.device.reports import Outbox, ReportSender
from edgewright.fleet.protocol.layout import Unreachable
from edgewright.fleet.simulator.disk import Disk, KeptState

AWAY = 1800.0
ALARM_EVERY = 21
"""Every so manieth item is an alarm."""
BATCH_ITEMS, BATCH_BYTES = 256, 64 << 10
"""Of a batch of the store's outbox (`device.store.outbox.Outbox.take`)."""
_PATIENCE = 600.0
_POLL = 60.0
_FACTS = Report(
    nonce="", sequence=0, counter=3, floor=3, phase="idle", plan="pump-3", stage=2,
    metadata={"root": 1, "timestamp": 9, "snapshot": 9},
    vitals=Vitals(seconds=60.0, windows=60, latency=(0.004, 0.009), memory=40_000_000, channels=6, classes={"ok": 60}),
    why="runs release 3", profile="raspberry-pi-4", version="0.1.0",
)  # fmt: skip


@dataclass
class ReturnReport:
    """What came of it; seconds since the server can be reached."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    begun: list[float] = field(default_factory=list)
    alarms: list[float] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Record a response."""
        key = f"{method} {status}"
        self.statuses[key] = self.statuses.get(key, 0) + 1
        if key == "POST 200":
            self.latencies.append(seconds)

    def wrong(self, reason: str) -> None:
        """Something that must not be."""
        self.errors[reason] = self.errors.get(reason, 0) + 1


class World:
    """One clock of all devices: by hand while they are cut off, the machine's own afterwards."""

    def __init__(self) -> None:
        self.now, self._from = 0.0, 0.0
        self.back = False
        """Whether the server can be reached."""

    def begin(self) -> None:
        """From here on it goes by itself."""
        self._from = time.monotonic() - self.now  # below zero on a machine that has just begun
        self.back = True

    def monotonic(self) -> float:
        """Return seconds."""
        return time.monotonic() - self._from if self.back else self.now

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()


class Chance:
    """A device's own, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        return self._random.randbytes(count)

    def share(self) -> float:
        """From 0 up to 1."""
        return self._random.random()


class Full(Outbox):
    """An outbox as the store's and the agent's door together give it: by priority and age, a batch at a time."""

    def __init__(self, device: str, items: int, on_refusal: Callable[[str], None]) -> None:
        alarms = list(range(1, items + 1, ALARM_EVERY))
        rest = [n for n in range(1, items + 1) if (n - 1) % ALARM_EVERY]
        self._device, self._told = device, on_refusal
        self._waiting, self._alarms = alarms + rest, set(alarms)
        self.filled, self._behind = False, False

    def urgent(self) -> bool:
        """Return an alarm waits."""
        return self.filled and bool(self._waiting) and self._waiting[0] in self._alarms

    def backlog(self) -> bool:
        """Return a full batch waits, or one behind a full one."""
        return self.filled and bool(self._waiting) and (self._behind or len(self._waiting) >= BATCH_ITEMS // 2)

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the next batch."""
        batch: list[msgspec.Raw] = []
        length = 0
        for number in self._waiting[:BATCH_ITEMS] if self.filled else ():
            raw = self._item(number)
            length += len(raw)
            if batch and length > BATCH_BYTES:
                break
            batch.append(msgspec.Raw(raw))
        return batch

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Never: what it holds is all well formed."""

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """They are durable there."""
        gone = {sequence for _, sequence in durable}
        if not gone:
            return
        self._behind = len(gone) >= BATCH_ITEMS // 2
        before = bool(self._alarms)
        self._waiting = [n for n in self._waiting if n not in gone]
        self._alarms -= gone
        if before and not self._alarms:
            self._told("alarms")
        if not self._waiting:
            self._told("drained")

    def _item(self, number: int) -> bytes:
        alarm = number in self._alarms
        body: dict[str, Any] = {
            "kind": "alarm" if alarm else "decision", "stream": "pump", "time": number * 10.0, "wall": 1.8e9 + number,
            "doubt": "", "label": "worn" if alarm else "ok", "score": 0.93213, "detail": {"count": number},
            "priority": 0 if alarm else 3,
        }  # fmt: skip
        return msgspec.json.encode(
            Item(device=self._device, boot=3, sequence=number, kind="event", put=1.8e9 + number, body=body)
        )


class Cut(HttpControl):
    """A control plane that cannot be reached for as long as the world says so."""

    def __init__(
        self, world: World, transport: HubTransport, key: Ed25519PrivateKey, device: str, begun: Callable[[], None]
    ) -> None:
        super().__init__(transport, key, device)
        self._world, self._begun = world, begun

    def report(self, report: Report) -> Acknowledged:
        """As `Control.report`."""
        if not self._world.back:
            raise Unreachable("cut off")
        answer = super().report(report)
        self._begun()
        return answer


class Device:
    """One device: its teller, and its polls of files."""

    def __init__(
        self, number: int, key: Ed25519PrivateKey, items: int, hub: Hub, port: int, world: World, report: ReturnReport
    ) -> None:
        name, chance = f"{number:032x}", Chance(number)
        self._hub, self._world, self._told = hub, world, report
        state = KeptState(Disk())
        state.enrol(Enrolled(device=name, tags=(), batch="b", at=0.0, nonce=""))
        self._files = HubTransport(hub, port, report.answered)
        self.outbox = Full(name, items, self._happened)
        control = Cut(world, self._files, key, name, self._begins)
        self._teller = ReportSender(state, control, world, chance, outbox=self.outbox)
        self._poll, self._first, self._tag = Pace(chance, _POLL, 3600.0), True, ""
        self._chance, self._began_at = chance, 0.0
        self.due = 900.0 * chance.share()  # its last report that went well was somewhere before

    def fail(self) -> None:
        """One try while nobody answers."""
        self.due = self._world.now + self._teller.send(_FACTS)

    def live(self) -> None:
        """From the moment at which the server can be reached."""
        self._began_at, now = self._world.monotonic(), self._world.monotonic()
        self.outbox.filled = True
        polls = now + BACK * self._chance.share()
        while True:
            now = self._world.monotonic()
            try:
                if now >= self.due:
                    self.due = self._world.monotonic() + self._teller.send(_FACTS)
                if now >= polls:
                    self._look()
                    polls = self._poll.due
            except EdgewrightError as error:
                self._told.wrong(str(error)[:80])
                return
            self._hub.sleep(max(0.01, min(self.due, polls) - self._world.monotonic()))

    def _look(self) -> None:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        now = self._world.monotonic()
        try:
            with self._files.exchange("GET", "/metadata/timestamp.json", headers) as answer:
                self._tag = answer.headers.get("etag", self._tag)
            self._poll.good(now)
        except Unreachable as error:
            self._told.wrong(f"a poll: {error}"[:80])
            self._poll.away(now, error.wait)

    def _begins(self) -> None:
        if self._first:
            self._first = False
            self._told.begun.append(self._since())

    def _happened(self, list_name: str) -> None:
        getattr(self._told, list_name).append(self._since())

    def _since(self) -> float:
        return self._world.monotonic() - self._began_at


def main() -> None:
    """Devices return; prints what came of it."""
    seed, count, items, port = map(int, sys.argv[1:5])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub, world, report = Hub(), World(), ReturnReport()
    devices = [Device(n, key, items, hub, port, world, report) for n, key in enumerate(keys(seed, count))]
    for device in devices:
        while device.due < AWAY:
            world.now = device.due
            device.fail()
    world.now = AWAY
    print("cut off", flush=True)
    sys.stdin.readline()
    world.begin()
    for device in devices:
        hub.start(device.live)
    began, used = time.monotonic(), time.process_time()
    hub.run(lambda: len(report.drained) == count or time.monotonic() > began + _PATIENCE)
    document = {
        name: getattr(report, name) for name in ("latencies", "statuses", "errors", "begun", "alarms", "drained")
    }
    print(json.dumps({**document, "used": time.process_time() - used, "took": time.monotonic() - began}))


if __name__ == "__main__":
    main()
