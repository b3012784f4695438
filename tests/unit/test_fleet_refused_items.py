"""An item that the control plane will never take: it is found, set aside and told, and all the others arrive."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from benchmarks.faults.fleet_device import Even

from edgewright.cli.commands.device.status import _lines
from edgewright.core.errors import InputError
from edgewright.core.records.fleet import Enrolled, Report
from edgewright.device.agent.startup import deliver
from edgewright.device.sinks.agent import SINK, AgentConfig
from edgewright.device.store import status
from edgewright.device.store.group_commit import REFUSED_BY_FLEET
from edgewright.device.store.store import Store
from edgewright.fleet.device.enrollment import HttpControl
from edgewright.fleet.device.ipc_server import IpcServer
from edgewright.fleet.device.reports import ReportSender
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import Answer
from edgewright.fleet.server.database.tables import items
from fleet_plane import Client, Device, enrolled, plane_of
from signed_fleet import HandClock
from store_example import event, opened


class Way:
    """The real application, asked without a network in between; `instead` answers in its place."""

    def __init__(self, client: Client) -> None:
        self.client, self.statuses = client, list[int]()
        self.instead: Callable[[bytes], int | None] = lambda _: None

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        if (given := self.instead(body)) is not None:
            self.statuses.append(given)
            yield Answer(status=given, headers={}, body=iter([b"{}"]))
            return
        response = asyncio.run(self.client.ask(method, path, content=body, headers=dict(headers)))
        self.statuses.append(response.status_code)
        yield Answer(status=response.status_code, headers=dict(response.headers), body=iter([response.content]))


class World:
    """A device's store, the door of its agent, its reports, and a control plane."""

    def __init__(self, folder: Path, plane: Any, device: Device, client: Client) -> None:  # noqa: ANN401
        self.plane, self.clock, self.way = plane, HandClock(), Way(client)
        (folder / "agent").mkdir()
        self.state = State.open(folder / "agent")
        self.state.enrol(Enrolled(device=device.id, tags=(), batch="b", at=1.0, nonce=device.nonce))
        self.woken = threading.Event()
        self.door = IpcServer(folder / "s", self.woken.set, patience=120.0)
        control = HttpControl(self.way, device.key, device.id)
        self.teller = ReportSender(self.state, control, self.clock, Even(), outbox=self.door, every=60.0)
        self.sink = SINK.open(AgentConfig(path=str(self.door.path), timeout=120.0))

    def tell(self) -> float:
        return self.teller.send(Report(nonce="", sequence=0, counter=1, floor=0, phase="idle"))

    def deliver(self, store: Store) -> None:
        """One batch: reports go, each when it is due, until its sender was answered."""
        sender = threading.Thread(target=deliver, args=(store, self.sink), kwargs={"batches": 1})
        sender.start()
        while sender.is_alive():
            if self.door.offered():
                self.clock.up += self.tell()
            sender.join(0.005)

    def arrived(self) -> list[int]:
        with self.plane.database.reading() as connection:
            return sorted(connection.execute(sa.select(items.c.sequence)).scalars())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with plane_of(tmp_path / "fleet") as plane:
        client = Client(plane)
        world = World(tmp_path, plane, asyncio.run(enrolled(client)), client)
        yield world
        world.door.close()
        world.state.close()


def spoilt(store: Store, sequence: int) -> None:
    """Spoil an item on the disk, as a program error would."""
    with store.database.transaction():
        store.database.execute(
            "UPDATE outbox SET body = CAST(replace(CAST(body AS TEXT), '\"put\"', '\"pot\"') AS BLOB) "
            "WHERE sequence = ?", (sequence,),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("was", "is_now", "why"),
    [
        (b'"kind":"event"', b'"kind":["event"]', "items"),  # as a later version might write it: the fleet refuses it
        (
            b'"kind":"decision"',
            b'"kind":7',
            "",
        ),  # whose own kind is no word: that is for the fleet to say, and it takes it
        (b'"kind":"event"', b'"kind":"ev', "expected an item as JSON"),
        (b'"sequence":', b'"number":', "expected an item as JSON"),
        (b'"boot":', b'"boot":7', "its own position"),
    ],
)
def test_a_line_that_this_version_cannot_read_does_not_stay_for_ever(
    world: World, tmp_path: Path, was: bytes, is_now: bytes, why: str
) -> None:
    with opened(tmp_path / "store") as store:
        numbers = store.append_events([event(number=n) for n in range(6)])
        alarm = store.append_events([event("alarm")])[0]
        store.commit()
        with store.database.transaction():
            body = bytes(store.database.value("SELECT body FROM outbox WHERE sequence = ?", (numbers[2],)))
            assert was in body
            changed = (body.replace(was, is_now, 1), numbers[2])
            store.database.execute("UPDATE outbox SET body = ? WHERE sequence = ?", changed)
        for _ in range(20):
            world.deliver(store)
            store._clock.forward(200.0)  # type: ignore[attr-defined]
            state = status.of(store)
            if not state.waiting:
                break
        assert state.waiting == {}
        arrived = set(world.arrived())
        assert arrived >= {*numbers, alarm} - {numbers[2]}
        assert state.aside == ({4: 1} if why else {})
        assert why in state.aside_why
        assert (numbers[2] in arrived) != bool(why)
        text = "\n".join(_lines(state))
        assert ("refused by the fleet, kept here: 1 decision" in text) == bool(why)


def test_one_item_that_is_refused_is_set_aside_and_all_the_others_arrive(world: World, tmp_path: Path) -> None:
    with opened(tmp_path / "store") as store:
        numbers = store.append_events([event(number=n) for n in range(20)])
        alarm = store.append_events([event("alarm")])[0]
        store.commit()
        spoilt(store, numbers[11])
        large = store.outbox.put("large", {"state": "x"}, 15)
        store.commit()
        with store.database.transaction():
            body = store.database.value("SELECT body FROM outbox WHERE sequence = ?", (large,))
            grown = bytes(body).replace(b'"x"', b'"' + b"x" * (1 << 20) + b'"')
            store.database.execute("UPDATE outbox SET body = ? WHERE sequence = ?", (grown, large))
        first: list[int] = []
        for _ in range(60):
            world.deliver(store)
            first = first or world.arrived()
            store._clock.forward(200.0)  # type: ignore[attr-defined]
            state = status.of(store)
            if not state.waiting:
                break
        assert state.waiting == {} and state.aside == {4: 1, 15: 1} and "body of at most" in state.aside_why
        assert alarm in first
        reported = set(world.arrived())
        assert reported >= {*numbers, alarm} - {numbers[11]} and not reported & {numbers[11], large}
        assert len(world.way.statuses) < 60 and {200, 400, 413} == set(world.way.statuses)
        line = next(line for line in _lines(state) if "refused by the fleet" in line)
        assert line.startswith("  refused by the fleet, kept here: 1 decision") and "1 priority 15" in line
        kept = store.database.execute("SELECT sequence FROM outbox ORDER BY sequence")
        assert [one for (one,) in kept] == [numbers[11], large]
        events = store.database.execute("SELECT detail FROM events WHERE label = ?", (REFUSED_BY_FLEET,))
        assert "items as the store writes them" in json.loads(events[0][0])["reason"]
    with opened(tmp_path / "store") as again:
        assert again.outbox.take() == [] and status.of(again).aside == {4: 1, 15: 1}


def test_what_is_no_refusal_of_what_was_said_sets_nothing_aside(world: World, tmp_path: Path) -> None:
    codes = iter([401, 403, 404, 408, 409, 410, 415, 425, 429, 500, 502, 503, 504] * 2)
    world.way.instead = lambda body: next(codes) if b'"items":[{' in body else None
    with opened(tmp_path / "store") as store:
        store.append_events([event()])
        store.commit()
        sender = threading.Thread(target=deliver, args=(store, world.sink), kwargs={"batches": 1})
        sender.start()
        while not world.door.offered():
            sender.join(0.005)
        for _ in range(26):
            with suppress(InputError):
                world.tell()
            world.clock.up += 7200.0
        assert len(world.way.statuses) == 26 and 200 not in world.way.statuses
        world.door.release()
        sender.join(60.0)
        assert status.of(store).waiting == {4: 1} and status.of(store).aside == {}


def test_where_a_report_is_refused_whatever_it_carries_no_item_is_to_blame(world: World, tmp_path: Path) -> None:
    world.way.instead = lambda _: 400
    with opened(tmp_path / "store") as store:
        numbers = store.append_events([event(number=n) for n in range(5)])
        store.commit()
        sender = threading.Thread(target=deliver, args=(store, world.sink), kwargs={"batches": 1})
        sender.start()
        while not world.door.offered():
            sender.join(0.005)
        for _ in range(12):
            world.clock.up += world.tell()
        assert sender.is_alive() and len(world.way.statuses) >= 8
        world.way.instead = lambda _: None
        for _ in range(4):
            world.clock.up += 7200.0
            world.tell()
        sender.join(60.0)
        for _ in range(10):
            store._clock.forward(200.0)  # type: ignore[attr-defined]
            if not status.of(store).waiting:
                break
            world.deliver(store)
        assert world.arrived() == numbers and status.of(store).aside == {}
