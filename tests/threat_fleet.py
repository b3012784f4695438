"""A fleet to attack: signed metadata, a control plane behind its real HTTP application, and devices that run the agent.

Time is a hand's, on every machine; the model's process is told what it would say. Everything else is the product's own:
repository, signer, publisher, scheduler, endpoints, trust, state, slots and the agent's state machine.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa

from edgewright.core.records.fleet import Gate, Plan, Stage, TrialLimits
from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.protocol.layout import Unreachable
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.publication import publish_plan
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Limits, Plane, open_plane
from edgewright.fleet.server.database import migration
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.rollouts.scheduler import SchedulerEvent
from edgewright.fleet.server.rollouts.worker import conductor
from edgewright.fleet.server.signer.supervisor import folder_signer
from fleet_folder import fleet, package, publish
from fleet_plane import Client as Desk
from threat_unit import Dice, Hand, Unit

START, HOUR, DAY = 1_800_000_000.0, 3600.0, 86_400.0
STAGES = (
    Stage(name="canary", percent=10.0, dwell=2 * HOUR),
    Stage(name="half", percent=50.0, dwell=2 * HOUR),
    Stage(name="all", percent=100.0, dwell=2 * HOUR),
)
FAILED = Gate(measure="failed", limit=0.3, quorum=2)
ME = DeviceConfig(product="main", profile="pi", version="0.1.0", poll=600.0, look=60.0, keep=600.0)
_STEP = 300.0


class Server:
    """One control plane over a fleet's folder; `close` is an orderly end, forgetting it is a kill."""

    def __init__(self, repository: Fleet, clock: Hand, name: str = "server") -> None:
        limits = Limits(burst=1e6, requests=1e6, wait=600.0)
        self.plane: Plane = open_plane(repository.folder, clock=clock, limits=limits, random=Dice(name).bytes)
        self.conductor = conductor(self.plane, folder_signer(repository, clock.wall, 10_000).sign)
        self.rollouts = self.conductor.rollouts
        self.app, self.desk = App(self.plane), Desk(self.plane)

    def tick(self) -> list[SchedulerEvent]:
        return self.conductor.scheduler.tick()

    def row(self) -> Any:  # noqa: ANN401 - a row
        with self.plane.database.reading() as connection:
            return connection.execute(sa.select(rollouts).order_by(rollouts.c.started_at.desc())).first()

    def close(self) -> None:
        self.plane.close()


class Town:
    """Everything together.

    Args:
        folder: empty; the fleet's folder is `fleet` in it.
        count: devices.
        start: seconds since 1970 at which it begins.
        me: what a device is, and its paces.

    Attributes:
        addresses: of servers that are processes of their own; devices ask each in turn instead of `server`.
    """

    def __init__(self, folder: Path, count: int = 12, start: float = START, me: DeviceConfig = ME) -> None:
        self.folder, self.clock, self.loop, self.me = folder, Hand(start), asyncio.new_event_loop(), me
        self.addresses: list[str] = []
        self._http = httpx.Client(timeout=10, trust_env=False)
        self.server: Server | None = None
        self.others: list[Server] = []
        self._turn = self._risen = 0
        self.server_clock = Hand(start)
        self.fleet = fleet(folder / "fleet", start)
        self.old = publish(self.fleet, package(folder, "0"), start)[0].release
        published = publish(self.fleet, package(folder, "1"), start)
        self.new, self.back = published[0].release, published[1].release
        self.units: list[Unit] = []
        self.happened: list[SchedulerEvent] = []
        self.rise()
        for number in range(count):
            self.units.append(Unit(self, f"unit-{number}"))

    def rise(self, name: str = "server") -> Server:
        """Return a control plane begins, and nobody looks after the one before."""
        self._risen += 1  # no two of them draw the same nonces
        self.server = Server(self.fleet, self.server_clock, f"{name} {self._risen}")
        return self.server

    def fall(self) -> None:
        """Stop the control plane at once."""
        for server in [self.server, *self.others]:
            if server is not None:
                server.close()
        self.server, self.others = None, []

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        """One request to the application of the control plane; of several, each in turn.

        Raises:
            Unreachable: a server that is a process does not answer.
        """
        self._turn += 1
        if self.addresses:
            address = self.addresses[self._turn % len(self.addresses)]
            try:
                return self._http.request(method, f"{address}{path}", headers=dict(headers), content=body)
            except httpx.TransportError as error:
                raise Unreachable(str(error)) from None
        assert self.server is not None
        app: Any = [self.server, *self.others][self._turn % (1 + len(self.others))].app

        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://fleet") as client:
                return await client.request(method, path, headers=dict(headers), content=body)

        return self.loop.run_until_complete(go())

    def token(self, **changes: Any) -> str:  # noqa: ANN401 - fields of NewToken
        assert self.server is not None
        return self.loop.run_until_complete(self.server.desk.token(product="main", **changes))

    def run(self, seconds: float, step: float = _STEP) -> None:
        """So much time, for everybody."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            passed = min(step, until - self.clock.now)
            self.clock.now += passed
            self.server_clock.now += passed
            for unit in self.units:
                unit.step(passed)
            self._tick()

    def _tick(self) -> None:
        """Run one round of each server at the same moment."""
        if self.server is None:
            return
        if not self.others:
            self.happened += self.server.tick()
            return
        with ThreadPoolExecutor(1 + len(self.others)) as pool:
            for happened in pool.map(Server.tick, [self.server, *self.others]):
                self.happened += happened

    def plan(self, name: str, few: int = 2, **changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
        """Return a plan whose first stage has at least so many devices, as somebody signs it who looks first."""
        at = changes.pop("at", self.clock.now)
        plan = Plan(**{
            "id": name, "release": self.new, "revert": self.back, "salt": "", "stages": STAGES, "starts": at,
            "expires": at + 30 * DAY, "enrolled": at, "silence": HOUR, "gates": (FAILED,),
            "trial": TrialLimits(seconds=300.0, patience=HOUR), **changes,
        })  # fmt: skip
        for number in range(5000):
            plan = msgspec.structs.replace(plan, salt=hashlib.sha256(f"{name} {number}".encode()).hexdigest())
            if few <= len(self.within(plan, 10.0)) <= few + 1:
                return plan
        raise AssertionError("no salt puts so many devices into the canary")

    def within(self, plan: Plan, percent: float) -> list[Unit]:
        """Return devices whose place is below so many percent."""
        return [unit for unit in self.units if position(plan.salt, plan.id, unit.id) < percent]

    def roll_out(self, plan: Plan) -> bytes:
        """Return signs a plan offline and begins it."""
        assert self.server is not None
        body = publish_plan(self.fleet.folder, plan, now=self.clock.now)
        self.happened += self.server.tick()
        self.server.rollouts.start(body, "ann")
        return body

    def base(self) -> None:
        """Everybody has the first release."""
        everybody = (Stage(name="all", percent=100.0, gated=False),)
        self.roll_out(self.plan("base", few=0, release=self.old, revert=None, stages=everybody, gates=()))
        self.run(HOUR)
        assert self.server is not None and set(self.counters()) == {self.old.counter}
        self.server.rollouts.finish("base", self.server.row().version, "everybody has it")

    def counters(self) -> list[int]:
        return [unit.counter for unit in self.units]

    def close(self) -> None:
        for unit in self.units:
            unit.close()
        self.fall()
        self._http.close()
        self.loop.close()


@contextmanager
def town(folder: Path, count: int = 12, address: str = "", **more: Any) -> Iterator[Town]:  # noqa: ANN401
    """Provide a fleet of devices that have begun; its database is at an address of PostgreSQL, or its SQLite file."""
    fleet_town = Town(folder, count, **more)
    if address:
        fleet_town.fall()
        migration.move(fleet_town.fleet.folder, address)
        fleet_town.rise()
    try:
        yield fleet_town
    finally:
        fleet_town.close()
