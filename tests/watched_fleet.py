"""A fleet to look at: a signed folder, devices that enrolled and report through the API, and a rollout under way."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edgewright.core.records.fleet import Gate, Plan, Stage
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.control_plane import Limits, open_plane
from edgewright.fleet.server.rollouts.worker import conductor
from fleet_folder import fleet, package, publish
from fleet_plane import Client, Device
from threat_unit import Hand

T = TypeVar("T")
HOSTILE = '<img src=x onerror="alert(1)">'
PLAN = "winter"
STAGES = (
    Stage(name="canary", percent=20.0, dwell=3600.0),
    Stage(name="half", percent=50.0, dwell=3600.0),
    Stage(name="all", percent=100.0, dwell=3600.0),
)
GATES = (Gate(measure="failed", limit=0.3, quorum=3), Gate(measure="latency", limit=0.5, quorum=3))
SITES = (("north", "pi"), ("south", "pi"), ("harbour", "jetson"), ("test-bench", "esp32"))


def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own: a browser test keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the answer of a coroutine."""
    return in_thread(lambda: asyncio.run(coroutine))


def asked_of(folder: Path, kind: type[T], method: str, path: str, document: object = None) -> T:
    """Return an answer of the control plane of a folder, as an operator's command gets it."""

    def ask() -> T:
        with local_client(folder) as desk:
            return desk.ask(kind, method, path, document)

    return in_thread(ask)


def numbers() -> Callable[[int], bytes]:
    """Return bytes that are the same in every test, so that the same devices are canaries."""
    counter = itertools.count()
    return lambda size: hashlib.sha256(str(next(counter)).encode()).digest()[:size]


class Watched:
    """The fleet with its control plane and its devices.

    Args:
        folder: empty.
        count: devices.
        ago: seconds before now at which it begins; `after` moves on.
    """

    def __init__(self, folder: Path, count: int, ago: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = Hand(time.time() - ago)
        self.fleet = fleet(folder / "fleet", self.clock.now)
        self.folder = self.fleet.folder
        self.old = publish(self.fleet, package(folder, "0"), self.clock.now)[0].release
        published = publish(self.fleet, package(folder, "1"), self.clock.now)
        self.new, self.back = published[0].release, published[1].release
        self.plane = open_plane(self.folder, clock=self.clock, limits=Limits(burst=1e6, requests=1e6), random=numbers())
        self.conductor = conductor(self.plane)
        self.client = Client(self.plane)
        self.devices: list[Device] = []
        awaited(self._enrol(count))
        self.after(60.0)

    async def _enrol(self, count: int) -> None:
        for number in range(count):
            tag, profile = SITES[number % 7 % len(SITES)]
            if number % 10 == 0:
                token = await self.client.token(product="main", tags=["demo"], uses=10, batch=f"lot-{number // 10}")
            own = await self.client.token(product="main", tags=[tag], batch=f"lot-{number // 10}")
            one = Device(self.client)
            answer = await one.enrol(
                token if number % 7 == 6 else own, name=f"{tag}-{number:03d}", profile=profile, product="main",
                version="0.1.0",
            )  # fmt: skip
            assert answer.status_code == 200, answer.text
            self.devices.append(one)

    def after(self, seconds: float) -> None:
        """Later; the scheduler has had its turn."""
        self.clock.now += seconds
        self.conductor.scheduler.tick()

    def report(self, devices: list[Device], **changes: Any) -> None:  # noqa: ANN401 - fields of a report
        """Report each device, with vitals."""
        awaited(self._report(devices, changes))

    async def _report(self, devices: list[Device], changes: dict[str, Any]) -> None:
        for number, device in enumerate(devices):
            vitals = {
                "seconds": 3600.0, "windows": 1800, "unsure": 20 + number % 9, "alarms": 0,
                "latency": (0.004, 0.011 + number % 5 / 1000), "memory": 41_000_000 + number * 10_000, "channels": 6,
                "classes": {"well": 1700, "worn": 100}, **changes.get("vitals", {}),
            }  # fmt: skip
            counter = changes.get("counter", self.old.counter)
            body = {"counter": counter, "floor": counter, "clock": self.clock.now, "version": "0.1.0", **changes}
            answer = await device.report(**{**body, "vitals": vitals})
            assert answer.status_code == 200, answer.text

    def start(self, **changes: Any) -> None:  # noqa: ANN401 - fields of a plan
        """Signs a plan over the second release and begins it, through the API."""
        now = self.clock.now
        plan = Plan(**{
            "id": PLAN, "release": self.new, "revert": self.back, "salt": "5" * 64, "stages": STAGES, "gates": GATES,
            "starts": now, "expires": now + 30 * 86_400.0, "enrolled": now, "note": "colder nights",
            "unconfirmed": 100.0, **changes,
        })  # fmt: skip
        publish_plan(self.folder, plan, now=now)
        answer = awaited(self.client.ask("POST", "/v1/fleet/rollouts", {"plan": plan.id}, local=True))
        assert answer.status_code == 200, answer.text

    def why(self, device: Device) -> str:
        """Return what the rollout says to a device, which is what the device says itself."""
        answer = awaited(self.client.ask("GET", f"/v1/fleet/devices/{device.id}/whereabouts", local=True))
        return str(answer.json()["rollouts"][0]["why"])

    def canaries(self, percent: float = 20.0) -> list[Device]:
        """Return devices whose place is below a percent."""
        return [one for one in self.devices if position("5" * 64, PLAN, one.id) < percent]

    def take(self, devices: list[Device]) -> None:
        """Ask for leave, activates and confirms."""
        for one in devices:
            record = {"nonce": one.nonce, "plan": PLAN, "counter": self.new.counter, "stage": 0}
            answer = awaited(one.send("intent", msgspec.json.encode(record)))
            assert answer.status_code == 200, answer.text
            assert answer.json()["go"], answer.text

    def end(self, devices: list[Device], action: str = "confirmed", because: str = "", detail: str = "") -> None:
        """Report what became of the new release."""
        counter = self.new.counter if action == "confirmed" else self.old.counter
        for one in devices:
            steps = [("tested", ""), ("activated", ""), (action, because)]
            outcomes = [
                {
                    "number": n, "plan": PLAN, "counter": self.new.counter, "what": word, "because": why,
                    "detail": detail if why else "", "at": self.clock.now,
                }
                for n, (word, why) in enumerate(steps, 1)
            ]  # fmt: skip
            failed = f"release {self.new.counter} failed here before"
            why = "confirmed after 600 s with rows" if action == "confirmed" else failed
            self.report([one], counter=counter, plan=PLAN, stage=0, outcomes=outcomes, why=why)

    def fork(self, device: Device) -> None:
        """Somebody else uses the device's key, and the next report of the device itself shows it: quarantine."""
        before = device.nonce
        self.report([device])
        own, device.nonce = device.nonce, before
        self.clock.now += 1.0
        self.report([device], why="a copy")
        device.nonce = own
        self.clock.now += 1.0
        self.sent(device, 403)

    def sent(self, device: Device, status: int) -> None:
        """Send a report and check the status of the response."""
        answer = awaited(device.report(counter=1))
        assert answer.status_code == status, answer.text

    def close(self) -> None:
        """End the control plane."""
        self.plane.close()


def item(number: int, label: str) -> dict[str, Any]:
    """Return an alarm of the outbox."""
    body = {"kind": "alarm", "stream": "pump-1", "label": label, "score": 0.93, "time": 12.5}
    return {"device": "d", "boot": 1, "sequence": number, "kind": "event", "put": 1.0, "body": body}


@contextmanager
def watched(folder: Path, count: int = 30) -> Iterator[Watched]:
    """Provide a fleet at its canary: confirmed, rolled back, drifting, alarming, silent and cloned devices."""
    watched = Watched(folder, count, 7200.0)
    try:
        watched.report(watched.devices[:-1], why="no rollout for this product")
        watched.after(600.0)
        watched.start()
        canaries = watched.canaries()
        others = [one for one in watched.devices[:-1] if one not in canaries]
        watched.after(300.0)
        watched.take(canaries)
        watched.after(900.0)
        watched.end(canaries[1:])
        watched.end(canaries[:1], "reverted", "latency", "p99 0.62 s, at most 0.5 s")
        watched.after(600.0)
        drift = {"drifting": ("current", HOSTILE), "alarms": 0}
        watched.report(others[:1], vitals=drift, why=watched.why(others[0]), plan=PLAN)
        alarm = {"alarms": 4, "crashes": 1}
        watched.report(others[1:2], vitals=alarm, items=(item(1, "worn"), item(2, "leak")), plan=PLAN, stage=0)
        for one in others[3:]:
            watched.report([one], plan=PLAN, stage=0, why=watched.why(one))
        watched.fork(others[2])
        watched.clock.now = time.time()
        watched.conductor.scheduler.tick()
        yield watched
    finally:
        watched.close()
