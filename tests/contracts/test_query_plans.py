"""No query of the server reads more because a fleet has a long history: its work and its plan on a million reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import retention
from edgewright.fleet.server.control_plane import Limits, open_plane
from edgewright.fleet.server.database.migration import move
from edgewright.fleet.server.database.tables import devices
from edgewright.fleet.server.endpoint import endpoints
from edgewright.fleet.server.gauges import Gauges
from edgewright.fleet.server.rollouts.worker import conductor
from fleet_plane import Client
from postgres_database import fresh_database
from query_work import Collector, Statement, collecting, executing_calls
from watched_fleet import PLAN, Watched, awaited, watched

pytestmark = pytest.mark.slow
REPORTS = 1_000_000
LARGE = {"reports", "items", "outcomes", "intents", "audit", "diagnoses"}
"""Tables that grow with time. Devices, their vitals and rollouts do not: views that count them read them all."""
GROWS = {
    "database/tables.py": "an administrator verifies the whole audit log",
    "rollouts/stage_verdict.py": "whether devices of a finished rollout were as silent before it; every 15 min",
}
"""Work that grows with history, by the file that executes it, with the reason."""
SCANS = {
    "database/tables.py": GROWS["database/tables.py"],
    "views.py": "the newest events, read from the end of the audit log until enough are there",
    "api/endpoints/administration.py": "the audit log from a given row on, up to a limit",
}
"""Large tables that a query reads in order, with the reason."""
NOT_RUN = {
    "database/": "at a start, a move, a backup or a migration",
    "restore.py": "after a restore, and when offline changes come in; tables of signed files",
    "reports.py": "an answer to a diagnosis",
    "rollouts/": "a race of two servers",
    "device_access.py": "a restore",
    "api/authentication.py": "an operator's token",
    "api/endpoints/": "acts whose conditions this fleet does not meet",
    "gauges.py": "as above",
    "views.py": "as above",
}
_HISTORY = {
    "reports": (
        "device, at, clock, sequence, digest, counter, floor, phase, plan, stage, model, seconds, windows, unsure, "
        "alarms, anomalies, crashes, latency_p50, latency_p99, memory, drifting, channels, detail",
        "d.id, {began} - 60.0 * i, 0, -i, '', 1, 1, 'idle', '', 0, {true}, 60.0, 100, 1, 0, 0, 0, .01, .02, "
        "1000, 0, 3, '{{}}'",
        1.0,
    ),
    "items": (
        "device, boot, sequence, kind, priority, at, body",
        "d.id, 7, i, 'note', 1, {began} - 60.0 * i, {body}", 0.2,
    ),
    "outcomes": (
        "device, number, plan, counter, what, because, detail, clock, at",
        "d.id, -i, 'old-' || (i - i / 50 * 50), 1, 'confirmed', '', '', 0, {began} - 60.0 * i", 0.01,
    ),
    "intents": (
        "device, plan, counter, stage, asked_at, go, at, why", "d.id, 'old-' || i, 1, 0, 0, {true}, 1.0, ''", 0.01,
    ),
}  # fmt: skip


def write_history(connection: sa.Connection, count: int, began: float) -> None:
    """Give devices a history that ends before what gates look at: so many reports, and parts of it of other tables."""
    text = connection.dialect.name == "postgresql"
    each = count // int(connection.execute(sa.select(sa.func.count()).select_from(devices)).scalar_one())
    words = {
        "began": began - 3 * 86_400.0,
        "true": "true" if text else "1",
        "body": "'\\x7b7d'::bytea" if text else "x'7b7d'",
    }
    for table, (columns, values, part) in _HISTORY.items():
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {int(each * part)})"  # noqa: S608
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({columns}) {numbers} SELECT {values.format(**words)} FROM devices d, n"  # noqa: S608
        )


def ask(fleet: Watched, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - an answer
    answer = awaited(fleet.client.ask(method, path, body, local=True))
    assert answer.status_code == 200, (method, path, answer.text)
    return answer.json() if "json" in answer.headers["content-type"] else answer.text


def everything(fleet: Watched) -> set[str]:
    """Let the server do all that it does; return the endpoints that answered."""
    one, other, third = fleet.devices[0], fleet.devices[5], fleet.devices[7]
    with fleet.plane.database.reading() as connection:
        name = connection.execute(sa.select(devices.c.name).where(devices.c.id == one.id)).scalar_one()
    path = f"/v1/fleet/devices/{one.id}"
    requests = [("GET", e.path) for e in endpoints() if e.method == "GET" and not e.parameters and e.who != "anyone"]
    requests += [
        ("GET", f"/v1/fleet/devices?order={order}{more}")
        for order in ("name", "-name", "counter", "-last", "enrolled")
        for more in ("", "&limit=2&after=1", "&product=main&tag=demo&silent=60&quarantined=no&status=any")
    ]
    requests += [("GET", f"/v1/fleet/devices?name={name}"), ("GET", f"/v1/fleet/devices?plan={PLAN}&counter=1")]
    requests += [("GET", path), ("GET", f"{path}/whereabouts"), ("GET", f"{path}/diagnoses")]
    requests += [
        ("GET", f"/v1/fleet/events?{q}") for q in (f"plan={PLAN}", f"device={one.id}", "kind=alarm", "limit=200")
    ]
    requests += [
        ("GET", f"/v1/fleet/spread?by={by}") for by in ("product", "profile", "tag", "batch", "version", "phase")
    ]
    requests += [("GET", f"/v1/fleet/rollouts/{PLAN}"), ("GET", f"/v1/fleet/rollouts/{PLAN}/map")]
    requests += [("GET", "/v1/fleet/audit?limit=10"), ("GET", "/readyz")]
    for method, target in requests:
        if target != "/readyz":
            ask(fleet, method, target)
    why = {"reason": "test"}
    for target, body in (
        (f"{path}/tags", {"add": ["x"]}), (f"{path}/rename", {"name": "n"}), (f"{path}/block", why),
        (f"{path}/unblock", why), (f"{path}/diagnoses", {}),
        (f"/v1/fleet/devices/{other.id}/retire", why),
        ("/v1/fleet/operators", {"name": "ann", "role": "viewer"}),
    ):  # fmt: skip
        ask(fleet, "POST", target, body)
    fleet.report([one, third], items=(_item(1),))
    fleet.sent(other, 410)
    replayed = awaited(third.send("report", third.body(sequence=third.sequence - 1)))
    assert replayed.status_code == 409
    for act in ("pause", "resume"):
        ask(fleet, "POST", f"/v1/fleet/rollouts/{PLAN}/{act}", {"why": "test"})
    fleet.conductor.scheduler.glance.forget()
    fleet.after(60.0)
    fleet.conductor.scheduler.glance.few = 0  # as in a fleet of which the gates are asked seldom
    fleet.after(2.0)
    for device in fleet.canaries():
        asked_for = {"nonce": device.nonce, "plan": PLAN, "counter": fleet.new.counter, "stage": 0}
        assert awaited(device.send("intent", msgspec.json.encode(asked_for))).status_code == 200
    Gauges(fleet.plane).text()
    deleting = retention.Retention(fleet.plane)
    deleting.step(fleet.clock.wall())
    fleet.clock.now += 60.0
    deleting.step(fleet.clock.wall())
    fleet.fork(fleet.devices[9])
    ask(fleet, "POST", f"/v1/fleet/rollouts/{PLAN}/abort", {"why": "test", "revert": True})
    fleet.after(60.0)
    later = fleet.clock.wall() + 14 * 86_400.0
    retention.prune(open_fleet(fleet.folder), fleet.plane.database, fleet.plane.committer, later)
    return {target.partition("?")[0] for _, target in requests}


def _item(number: int) -> dict[str, Any]:
    return {"device": "d", "boot": 1, "sequence": number, "kind": "event", "put": 1.0, "body": {"kind": "alarm"}}


def observed(folder: Path, count: int) -> tuple[Collector, dict[str, list[str]]]:
    """Let a server over SQLite work with so many reports in its history; return its statements and their plans."""
    with watched(folder, 20) as fleet:
        if count:
            with fleet.plane.database.writing.begin() as connection:
                write_history(connection, count, fleet.clock.now)
        with collecting() as collector:
            everything(fleet)
        plans = {}
        with fleet.plane.database.reading() as connection:
            for text, statement in collector.statements.items():
                if text.startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
                    one = statement.parameters[0] if isinstance(statement.parameters, list) else statement.parameters
                    explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", one)
                    plans[text] = [str(row[3]) for row in explained]
        return collector, plans


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collector, dict[str, list[str]]]:
    return observed(tmp_path_factory.mktemp("short"), 0)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collector, dict[str, list[str]]]:
    return observed(tmp_path_factory.mktemp("long"), REPORTS)


def growing(short: Collector, long: Collector) -> list[str]:
    """Return the statements whose work grows with the history, without those that may."""
    lines = []
    for text, statement in long.statements.items():
        before = short.statements.get(text, Statement(text)).steps
        if statement.steps > 3 * before + 20_000 and not allowed(statement, GROWS):
            lines.append(f"{before:,} steps, with history {statement.steps:,}: {statement.where}: {text[:400]}")
    return lines


def allowed(statement: Statement, exceptions: dict[str, str]) -> bool:
    return any(name in exceptions for name, _ in statement.calls)


def test_no_query_is_more_work_because_of_a_long_history(
    short: tuple[Collector, dict[str, list[str]]], long: tuple[Collector, dict[str, list[str]]]
) -> None:
    lines = growing(short[0], long[0])
    assert not lines, "\n".join(lines)


def test_no_query_reads_a_large_table_from_one_end_to_the_other(long: tuple[Collector, dict[str, list[str]]]) -> None:
    collector, plans = long
    assert len(plans) > 80
    wrong = [
        f"{line}: {collector.statements[text].where}: {text[:300]}"
        for text, lines in plans.items()
        for line in lines
        if line.startswith("SCAN") and line.split()[1] in LARGE and not allowed(collector.statements[text], SCANS)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_statement_of_the_server_was_looked_at(long: tuple[Collector, dict[str, list[str]]]) -> None:
    """A new query that nothing above executes has to be added there, or to the exceptions with its reason."""
    executed = {call for statement in long[0].statements.values() for call in statement.calls}
    left = [
        f"{name}:{first}"
        for name, first, last in executing_calls()
        if not any((name, line) in executed for line in range(first, last + 1))
        and not any(name.startswith(prefix) for prefix in NOT_RUN)
    ]
    assert not left, left


def test_a_planted_query_that_reads_each_device_s_history_is_found(tmp_path: Path) -> None:
    """As the gates did: a recent window, but by an index of devices that knows no time."""
    bad = sa.text(
        "SELECT sum(windows) FROM reports INDEXED BY ix_reports_device_sequence "
        "WHERE device IN (SELECT id FROM devices) AND at >= 1e12"
    )
    collectors = []
    for count in (0, 200_000):
        with watched(tmp_path / str(count), 5) as fleet:
            with fleet.plane.database.writing.begin() as connection:
                write_history(connection, count, fleet.clock.now) if count else None
            with collecting() as collector, fleet.plane.database.reading() as connection:
                connection.execute(bad).scalar_one()
            collectors.append(collector)
    assert len(growing(*collectors)) == 1


@contextmanager
def moved(folder: Path, address: str) -> Iterator[Watched]:
    """Provide a fleet whose database is PostgreSQL, with a long history."""
    with watched(folder, 20) as fleet:
        fleet.plane.close()
        move(fleet.folder, address)
        fleet.plane = open_plane(fleet.folder, clock=fleet.clock, limits=Limits(burst=1e6, requests=1e6))
        fleet.client = Client(fleet.plane)
        for device in fleet.devices:
            device.client = fleet.client
        fleet.conductor = conductor(fleet.plane)
        with fleet.plane.database.writing.begin() as connection:
            write_history(connection, REPORTS, fleet.clock.now)
        yield fleet


def test_postgresql_reads_no_large_table_from_one_end_to_the_other(tmp_path: Path) -> None:
    with fresh_database() as address, moved(tmp_path, address) as fleet:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("ANALYZE")
        with collecting() as collector:
            everything(fleet)
        wrong = []
        with psycopg.connect(address) as connection:
            for text, statement in collector.statements.items():
                if not text.startswith(("SELECT", "UPDATE", "DELETE", "WITH")) or " FROM " not in text:
                    continue
                one = statement.parameters[0] if isinstance(statement.parameters, list) else statement.parameters
                (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), one or None).fetchone() or ([],)
                tables = {
                    node["Relation Name"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"].endswith("Seq Scan")
                }
                if tables & set(_HISTORY) and not allowed(statement, SCANS):
                    wrong.append(f"{sorted(tables)}: {statement.where}: {text[:300]}")
    assert wrong == []


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
