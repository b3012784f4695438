"""Every measure of `core/measures` is whole: the device reports it, the database adds it up, a gate halts on it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from cli_runner import Cli
from edgewright.core.errors import FleetDatabaseError, PlanError, UnknownNameError
from edgewright.core.measures import added, columns, meaning, measures
from edgewright.core.records.fleet import Gate, Plan, Report, Vitals
from edgewright.device.agent.process_status import Latency, VitalsReporter
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.protocol.plans.gates import SHARES
from edgewright.fleet.protocol.plans.options import DEFAULT_GATES, gate
from edgewright.fleet.server import reports
from edgewright.fleet.server.database import postgres, revision
from edgewright.fleet.server.database import sqlite as files
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.migration import upgrade_file
from edgewright.fleet.server.database.tables import metadata
from edgewright.fleet.server.database.tables import reports as table
from first_revision import first_revision
from postgres_database import fresh_database
from rollout_example import HOUR, Example, gates_of, go, plan, row, within
from studio_example import client

READ = [name for name, measure in measures().items() if measure.read]
FROM_TABLES = {*SHARES, "classes"}


def test_every_module_is_a_measure() -> None:
    assert list(measures()) == sorted(measures()) and all(measure.meaning for measure in measures().values())
    with pytest.raises(UnknownNameError, match="Did you mean 'alarms'"):
        gate("alarm<=5")


@pytest.mark.parametrize("name", measures())
def test_a_measure_is_of_reports_that_the_database_keeps_or_of_its_other_tables(name: str) -> None:
    measure = measures()[name]
    assert len(meaning(name)) > 10
    assert bool(measure.column) != (name in FROM_TABLES)
    numbers = columns(Vitals())
    for column in filter(None, (measure.column, measure.over)):
        assert column in numbers and column in table.c
    assert measure.column or not measure.read
    assert measure.value(numbers) is None  # a report of nothing
    assert gate(f"{name}<=1").measure == name
    assert [one.measure for one in DEFAULT_GATES].count(name) == (measure.default is not None)


@pytest.mark.parametrize("name", ["of_an_older_database", *added()])
def test_a_migration_adds_the_column(name: str, tmp_path: Path) -> None:
    open_database(tmp_path).close()
    engine = files.engine(tmp_path / files.NAME, reading=False)
    with engine.begin() as connection:
        first_revision(connection)
    upgrade_file(tmp_path / files.NAME)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == [], name
    engine.dispose()


def test_a_database_without_the_column_of_a_measure_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(tmp_path).close()
    monkeypatch.setattr(revision, "added", lambda: ("heat",))
    with pytest.raises(FleetDatabaseError, match=r"got none for heat.*make_migration\.py"):
        open_database(tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def over(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    """Provide a fleet with a control plane over either database."""
    example = Example(tmp_path)
    if request.param == "sqlite":
        yield example
        example.close()
        return
    with fresh_database() as address:
        example.close()
        postgres.keep(example.fleet.folder, address)
        example.open()
        yield example
        example.close()


def said_by_a_device() -> Vitals:
    """Return what the process of a model says after 20 seconds with rows."""
    notices: list[str] = []

    class Listener(Supervisor):
        def say(self, text: str) -> None:
            notices.append(text)

    reporter = VitalsReporter(Listener("", ""), (), every=2.0)
    for second in range(1, 21):
        sum(range(50_000))
        reporter.beat(float(second), True, second, Latency())
    return msgspec.json.decode(notices[-1].removeprefix("X_VITALS="), type=Vitals)


def report(example: Example, devices: list[str], counter: int, vitals: Vitals, sequence: int) -> None:
    """Write reports as they come over HTTP."""
    body = msgspec.json.encode(
        Report(nonce="", sequence=sequence, counter=counter, floor=0, phase="idle", vitals=vitals, clock=example.now)
    )
    received = [
        reports.arrived(
            device, msgspec.json.decode(body, type=Report), device, at=example.now, nonce="", wait=60.0
        ) for device in devices
    ]  # fmt: skip
    answers = example.committer.submit(lambda connection: reports.take(connection, received)).result()
    assert all(isinstance(answer, bytes) for answer in answers), answers


@pytest.mark.parametrize("name", READ)
def test_a_reading_reaches_gates_command_line_and_page(name: str, over: Example, tmp_path: Path, cli: Cli) -> None:
    vitals = said_by_a_device()
    value = measures()[name].value(columns(vitals))
    assert value is not None
    everybody = over.enrol(100)
    canary = within(everybody, 10.0)
    report(over, everybody, 1, vitals, 1)
    over.now += 60.0
    gates = (Gate(measure=name, limit=2 * value), Gate(measure=name, limit=value / 2, ratio=0.25))
    over.started(gates=gates[:1])
    over.update(canary)
    report(over, canary, 2, vitals, 2)
    report(over, canary, 2, vitals, 3)
    with over.database.reading() as connection:
        seen = gates_of(connection, plan(gates=gates), over.now - 1.0, over.now)
    assert [one.verdict for one in seen] == ["pass", "fail"]
    assert seen[0].value == pytest.approx(value) and seen[0].counted == len(canary)
    assert measures()[name].unit in seen[0].why
    shown = over.fleet.folder
    assert (name if name != "memory" else " MB") in cli("fleet", "devices", canary[0], "--fleet", shown)
    text = client(tmp_path / "runs", fleet=shown).get(f"/fleet/device/{canary[0]}").text
    assert meaning(name) in html.unescape(text)


@pytest.mark.parametrize("name", READ)
def test_a_gate_on_a_reading_halts_a_rollout_before_the_dwell_is_over(name: str, over: Example) -> None:
    vitals = said_by_a_device()
    value = measures()[name].value(columns(vitals))
    assert value is not None
    everybody = over.enrol(100)
    canary = within(everybody, 10.0)
    over.started(gates=(Gate(measure=name, limit=value / 2),))
    over.update(canary)
    assert go(over, HOUR / 3, everybody) == []
    report(over, canary, 2, vitals, 1)
    assert go(over, HOUR / 6, everybody) == ["halted"]
    assert row(over).why.startswith(f"{name}: median {value:.4g}")


def test_a_measure_that_this_version_does_not_know_is_refused_and_in_a_running_plan_holds_the_stage(
    example: Example,
) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    newer = (Gate(measure="of_a_newer_server", limit=1.0),)
    with pytest.raises(PlanError, match=r"a measure that this version knows: alarms, .*got 'of_a_newer_server'"):
        example.started(gates=newer)
    running = msgspec.json.decode(msgspec.json.encode(plan(gates=newer)), type=Plan)  # as a device reads it
    example.update(canary)
    report(example, canary, 2, Vitals(seconds=60.0), 1)
    with example.database.reading() as connection:
        (seen,) = gates_of(connection, running, example.now - 1.0, example.now)
    assert seen.verdict == "hold" and "this server does not know the measure" in seen.why


def test_a_reading_that_the_server_does_not_know_changes_nothing(example: Example) -> None:
    (device,) = example.enrol(1)
    known = dict.fromkeys(added(), 1.0)
    report(example, [device], 1, Vitals(seconds=60.0, measured={"seconds": 9.0, "future": 1e300, **known}), 1)
    with example.database.reading() as connection:
        stored = connection.execute(sa.select(table)).one()
    assert stored.seconds == 60.0
    assert not hasattr(stored, "future")
    bare = Vitals(seconds=60.0)
    assert b"measured" not in msgspec.json.encode(bare)
    assert msgspec.json.decode(msgspec.json.encode(bare), type=Vitals) == bare
