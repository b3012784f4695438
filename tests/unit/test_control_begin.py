"""Servers that start, their background parts, their versions and their metrics."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from edgewright.core.records.fleet import Acknowledged
from edgewright.fleet.server import restore
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.control_plane import Plane, open_plane
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import audit, devices, outcomes
from edgewright.fleet.server.gauges import Gauges
from edgewright.fleet.server.restore import begin
from fleet_folder import fleet
from fleet_plane import Client, Device, enrolled, plane_of
from rollout_example import HOUR, NOW, Example
from signed_fleet import HandClock


@dataclass(frozen=True)
class Overtaken(Database):
    """Another server is faster right after this one has read for the second time that nothing is there yet."""

    other: Callable[[], None] = lambda: None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with super().reading() as connection:
            yield connection
        self.other()


def test_the_slower_of_two_servers_goes_on_with_what_the_other_took_in(tmp_path: Path) -> None:
    now = time.time()
    device_fleet = fleet(tmp_path / "fleet", now)
    first, second = open_database(device_fleet.folder), open_database(device_fleet.folder)
    committers = [Committer(one.writing, thread=False) for one in (first, second)]
    begun: list[bool] = []

    reads: list[int] = []

    def other() -> None:
        reads.append(1)
        if len(reads) == 2:
            # On another machine, where the lock of the folder does not reach.
            published = restore.published(
                restore.from_folder(device_fleet.metadata.parent), restore.first_root(device_fleet)
            )
            begun.append(restore.take_up(second, committers[1], published, "control", now, action="begun"))

    try:
        slow = Overtaken(first.writing, first.readers, other)
        assert begin(device_fleet, slow, committers[0], now) is False
        assert begun == [True]
        assert begin(device_fleet, first, committers[0], now) is False
        with first.reading() as connection:
            assert len(restore.roots(connection)) == 1
            assert tables.verify_audit_log(connection)[2] == ""
            assert connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one() == 1
    finally:
        for committer, database in zip(committers, (first, second), strict=True):
            committer.close()
            database.close()


def test_it_goes_on_after_a_failure_and_logs_the_same_one_once(capfd: pytest.CaptureFixture[str]) -> None:
    calls, enough = 0, threading.Event()

    def work() -> float:
        nonlocal calls
        calls += 1
        if calls == 6:
            enough.set()
        if calls in (2, 3, 5):
            raise ValueError("the disk is full")
        return 0.002

    end = repeat("keeping", 0.001, work, at_once=True)
    assert enough.wait(10.0)
    end()
    done = calls
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    events = [(line["event"], line["where"], line["error"]) for line in lines]
    assert events == [("broken", "keeping", "ValueError: the disk is full")] * 2  # again after it was well
    time.sleep(0.05)
    assert calls == done


def test_without_at_once_it_waits_first_and_ends_within_its_pause() -> None:
    called = threading.Event()
    end = repeat("late", 60.0, called.set)
    began = time.monotonic()
    end()
    assert not called.is_set()
    assert time.monotonic() - began < 5.0


def test_reports_of_older_and_newer_devices_are_both_taken(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:

        async def go() -> None:
            device = await enrolled(Client(plane))
            needed = {"sequence": 0, "counter": 1, "floor": 0, "phase": "idle"}
            response = await device.send("report", msgspec.json.encode({**needed, "nonce": device.nonce}))
            assert response.status_code == 200, response.text
            nonce = msgspec.json.decode(response.content, type=Acknowledged).nonce
            newer = {
                **needed, "sequence": 1, "nonce": nonce, "mood": "calm", "vitals": {"windows": 5, "humidity": 0.4},
                "outcomes": [{"number": 1, "plan": "", "counter": 1, "what": "tested", "how": {"long": 3}}],
                "boards": [{"name": "b1", "state": "idle", "colour": "green"}],
            }  # fmt: skip
            response = await device.send("report", msgspec.json.encode(newer))
            assert response.status_code == 200, response.text
            last = msgspec.json.decode(response.content, type=Acknowledged)
            assert last.outcomes == 1
            # A reason that this server does not know is refused whole, in words, and nothing of it is acknowledged.
            unknown = {"number": 2, "plan": "", "counter": 1, "what": "reverted", "because": "humidity"}
            newest = {**newer, "sequence": 2, "nonce": last.nonce, "outcomes": [unknown]}
            response = await device.send("report", msgspec.json.encode(newest))
            assert response.status_code == 400, response.text
            assert "humidity" in response.text or "enum" in response.text
            response = await device.send("report", msgspec.json.encode({**newest, "outcomes": []}))
            assert response.status_code == 200, response.text  # the refusal has shut nobody out

        asyncio.run(go())
        with plane.database.reading() as connection:
            assert connection.execute(sa.select(outcomes.c.number)).scalars().all() == [1]
            assert connection.execute(sa.select(devices.c.boards)).scalar_one() != ""
            assert not connection.execute(sa.select(devices.c.quarantined)).scalar_one()


def test_a_newer_device_enrolls_with_fields_that_this_server_does_not_know(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:

        async def go() -> None:
            client = Client(plane)
            device = Device(client)
            response = await device.enrol(await client.token(), version="9.0.0", site="hall 3", attested={"by": "tpm"})
            assert response.status_code == 200, response.text
            assert (await device.report()).status_code == 200

        asyncio.run(go())
        with plane.database.reading() as connection:
            assert connection.execute(sa.select(devices.c.version)).scalar_one() == "9.0.0"


def read(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Return values by name and by the values of labels, in the order of their names."""
    samples: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = tuple(value for _, value in sorted(sample.labels.items()))
            samples.setdefault(sample.name.removeprefix("edgewright_fleet_"), {})[key] = sample.value
    return samples


def plane_with(example: Example, clock: HandClock) -> Plane:
    example.close()
    return open_plane(example.fleet.folder, thread=False, clock=clock)


def row(number: int, counter: int, *, last: float | None, phase: str = "idle", shut: bool = False) -> dict[str, object]:
    return {
        "id": f"{number:032x}", "key": f"{number:044}", "name": "d", "product": "main", "profile": "pi", "tags": (),
        "given": (), "batch": "b", "token": "", "enrolled_at": NOW - 10 * 24 * HOUR, "nonce": "", "counter": counter,
        "last_report_at": last, "phase": phase, "quarantined": shut,
    }  # fmt: skip


def test_devices_rollouts_and_signatures_are_told_as_they_are(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    example.started()
    plane = plane_with(example, clock)
    try:
        with plane.database.writing.begin() as connection:
            connection.execute(sa.insert(devices), [
                row(1, 1, last=NOW - 5), row(2, 1, last=NOW - 30 * HOUR), row(3, 2, last=NOW - 60, phase="trial"),
                row(4, 2, last=None), row(5, 1, last=NOW - 50 * HOUR, shut=True),
            ])  # fmt: skip
            ended = {"plan": "first", "counter": 2, "detail": "", "clock": 0.0}
            connection.execute(sa.insert(outcomes), [
                {"device": "1", "number": 1, "what": "reverted", "because": "crash", "at": NOW - 60, **ended},
                {"device": "2", "number": 1, "what": "confirmed", "because": "", "at": NOW - 2 * HOUR, **ended},
            ])  # fmt: skip
        clock.now = NOW + 120.0
        gauges = read(Gauges(plane).text())
    finally:
        plane.close()
    assert gauges["devices"] == {
        ("blocked",): 0, ("enrolled",): 5, ("heard",): 2, ("quarantined",): 1, ("retired",): 0, ("silent",): 2,
    }  # fmt: skip
    assert gauges["devices_release"] == {("main", "1"): 3, ("main", "2"): 2}
    assert gauges["devices_phase"] == {("idle", "main"): 4, ("trial", "main"): 1}
    assert gauges["outcomes_hour"] == {("crash", "reverted"): 1}
    (named,) = gauges["rollout"]
    assert named[1:] == ("main", str(example.releases[-1].counter), "running")
    assert gauges["rollout_stage_seconds"] == {named[:1]: 120.0}
    assert gauges["rollout_stage"] == {named[:1]: 0.0}
    assert {"root", "timestamp", "snapshot", "targets", "releases", "rollouts"} <= {
        k[0] for k in gauges["metadata_expires_seconds"]
    }
    assert NOW < gauges["metadata_expires_seconds"]["timestamp",] <= NOW + 24 * HOUR
    assert gauges["ready"]["writer",] == 1.0
    assert gauges["database_bytes"]["sqlite",] > 10_000


def test_counting_is_not_done_again_before_it_has_rested(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    plane = plane_with(example, clock)
    try:
        gauged = Gauges(plane)
        assert read(gauged.text())["devices"]["enrolled",] == 0
        with plane.database.writing.begin() as connection:
            connection.execute(sa.insert(devices), row(1, 1, last=NOW))
        took = read(gauged.text())["count_seconds"][()]
        assert read(gauged.text())["devices"]["enrolled",] == 0
        clock.up += 20.0 * took
        assert read(gauged.text())["devices"]["enrolled",] == 1
    finally:
        plane.close()


def test_a_folder_without_whole_metadata_has_metrics_all_the_same(tmp_path: Path) -> None:
    example, clock = Example(tmp_path), HandClock(NOW)
    plane = plane_with(example, clock)
    try:
        (example.fleet.metadata / "timestamp.json").unlink()
        gauges = read(Gauges(plane).text())
    finally:
        plane.close()
    assert "metadata_expires_seconds" not in gauges
    assert gauges["ready"]["writer",] == 1.0
