"""The control plane over a real PostgreSQL: the same promises, and two servers that write at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, InputError, OutputError
from edgewright.core.records.fleet import Gate, Report, Vitals
from edgewright.fleet.repository.folder import ADDRESS
from edgewright.fleet.repository.metadata import sha256 as digest
from edgewright.fleet.server import reports
from edgewright.fleet.server.database import migration, postgres, tables
from edgewright.fleet.server.database.engine import Database, open_address, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import audit, devices, items
from edgewright.fleet.server.database.tables import reports as history
from postgres_database import fresh_database
from rollout_example import gates_of, plan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with fresh_database() as address:
        yield address


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    database = open_address(address)
    with database.writing.begin() as connection:
        for table in (audit, devices, items, history):
            connection.execute(sa.delete(table))
    yield database
    database.close()


def _device(name: str) -> dict[str, object]:
    return {
        "id": name, "key": name.ljust(44, "="), "name": name, "product": "pump", "profile": "", "tags": (),
        "given": (), "batch": "", "token": "", "enrolled_at": 1.0, "nonce": f"{name}-0",
    }  # fmt: skip


def _arrived(
    name: str, sequence: int, nonce: str, following: str, **more: Any,  # noqa: ANN401 - fields of Report
) -> reports.ReceivedReport:  # fmt: skip
    plain = Report(sequence=sequence, nonce=nonce, clock=1.0, counter=1, floor=0, phase="idle")
    report = msgspec.structs.replace(plain, **more)
    return reports.arrived(
        name, report, digest(f"{name}{sequence}{nonce}".encode()), at=2.0, nonce=following, wait=60.0
    )


@contextmanager
def two_servers(database: Database, address: str) -> Iterator[list[Committer]]:
    other = open_address(address)
    committers = [Committer(database.writing), Committer(other.writing)]
    yield committers
    for committer in committers:
        committer.close()
    other.close()


def at_once(act: Callable[[int], object], count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(act, range(count), timeout=60))


def test_the_largest_figures_that_a_report_may_have_are_added_up(database: Database) -> None:
    """One device that lies must not end the look at all of them: here numbers beyond their range are errors."""
    name = f"{1:032x}"
    largest = Vitals(
        seconds=2.0**53, windows=2**40, unsure=2**40, alarms=2**40, crashes=2**40, anomalies=2**40,
        latency=(2.0**53, 2.0**53), memory=2**40, channels=2**30,
    )  # fmt: skip
    requests = [_arrived(name, n, f"{n}", f"{n + 1}", counter=2, stage=2**30, vitals=largest) for n in range(1, 4)]
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices), [_device(name) | {"nonce": "1"}])
        for one in requests:
            assert isinstance(reports.take(connection, [one])[0], bytes)
    gates = tuple(Gate(measure=measure, limit=1.0, quorum=1) for measure in ("unsure", "latency", "crashes", "memory"))
    with database.reading() as connection:
        gates_passed = gates_of(connection, plan(gates=gates, starts=1.0, enrolled=1.0), 1.0, 3.0)
    assert [one.measure for one in gates_passed] == [gate.measure for gate in gates]


def test_two_servers_hear_the_same_devices_and_none_is_heard_twice(database: Database, address: str) -> None:
    names = [f"{number:032x}" for number in range(20)]
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices), [_device(name) for name in names])
    answers: dict[tuple[int, str], list[object]] = {}
    with two_servers(database, address) as committers:

        def ask(server: int) -> None:
            for name in names if server else reversed(names):
                requests = [_arrived(name, 1, f"{name}-0", f"{name}-1"), _arrived(name, 2, f"{name}-1", f"{name}-2")]
                futures = [committers[server].submit_to(reports.take, one) for one in requests]
                answers[server, name] = [future.exception(20) or future.result() for future in futures]

        at_once(ask, 2)
    with database.reading() as connection:
        counted = connection.execute(sa.select(history.c.device, sa.func.count()).group_by(history.c.device)).all()
        assert not connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).all()
        sequences = set(connection.execute(sa.select(devices.c.sequence)).scalars())
    assert {count for _, count in counted} == {2}
    assert len(counted) == len(names)
    assert sequences == {2}
    for name in names:  # the second to ask hears what the first was told, or that others followed
        assert any(isinstance(answers[server, name][0], bytes) for server in range(2))


def test_the_log_of_two_servers_is_one_chain(database: Database, address: str) -> None:
    def together(connection: sa.Connection, names: Sequence[str]) -> list[str | EdgewrightError]:
        for name in names:
            tables.append_audit_row(connection, at=1.0, who="test", action=name)
        return list(names)

    with two_servers(database, address) as committers:
        futures = [
            committers[number % 2].submit_to(together, f"shared{number}")
            if number % 3
            else committers[number % 2].submit(
                partial(tables.append_audit_row, at=1.0, who="test", action=f"alone{number}")
            )
            for number in range(60)
        ]
        for future in futures:
            future.result(20)
    with database.reading() as connection:
        assert tables.verify_audit_log(connection)[::2] == (60, "")


def test_servers_that_start_at_once_make_the_tables_once() -> None:
    with fresh_database() as address:
        opened: list[Database] = []
        at_once(lambda _: opened.append(open_address(address)), 3)
        assert len(opened) == 3
        for one in opened:
            one.close()


def test_readers_cannot_write_and_commits_are_durable(database: Database) -> None:
    with database.reading() as connection, pytest.raises(sa.exc.InternalError, match="read-only transaction"):
        connection.execute(sa.delete(audit))
    with database.writing.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


def test_a_database_moves_there_and_its_backup_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    small = open_database(folder)
    with small.writing.begin() as connection:
        connection.execute(sa.insert(devices), [_device(f"{number:032x}") for number in range(5)])
        for number in range(5):
            tables.append_audit_row(connection, at=float(number), who="test", action="x", detail={"ä": number})
    small.close()
    with fresh_database() as address:
        counts = migration.fill(address, folder / "fleet.sqlite")
        assert (counts["devices"], counts["audit"]) == (5, 5)
        with pytest.raises(InputError, match="an empty database"):
            migration.fill(address, folder / "fleet.sqlite")
        postgres.keep(folder, address)
        assert (folder / ADDRESS).stat().st_mode & 0o777 == 0o600
        database = open_database(folder)
        with database.writing.begin() as connection:  # numbers go on after those that were copied
            assert reports.take(connection, [_arrived(f"{1:032x}", 1, f"{1:032x}-0", "n")])[0]
            tables.append_audit_row(connection, at=9.0, who="test", action="after")
        assert migration.write_backup(folder, tmp_path / "copy.sqlite") > 0
        database.close()
        (tmp_path / "again").mkdir()
        (tmp_path / "copy.sqlite").rename(tmp_path / "again" / "fleet.sqlite")
        again = open_database(tmp_path / "again")
        with again.reading() as connection:
            assert tables.verify_audit_log(connection)[0] == 6
            assert connection.execute(sa.select(sa.func.count()).select_from(history)).scalar_one() == 1
        again.close()


def test_what_is_wrong_with_an_address_is_said_without_its_password(tmp_path: Path) -> None:
    wrong = "postgresql://somebody:secret@127.0.0.1:1/none"
    assert postgres.shown(wrong) == "postgresql://somebody@127.0.0.1:1/none"
    with pytest.raises(OutputError, match="reachable database server") as caught:
        open_address(wrong)
    assert "secret" not in str(caught.value)
    with fresh_database() as address, pytest.raises(InputError, match="does not exist"):
        open_address(address + "x")
    with pytest.raises(InputError, match="postgresql://"):
        postgres.checked("mysql://x", "--database")


def test_a_database_of_another_encoding_is_refused_in_words() -> None:
    """SQL_ASCII is what a cluster has that was made without a locale: it counts bytes for characters."""
    with fresh_database() as near:
        name = f"edgewright_{secrets.token_hex(6)}"
        with psycopg.connect(near, autocommit=True) as connection:
            plain = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.execute(f"CREATE DATABASE {name} {plain}")
            try:
                with pytest.raises(InputError, match="expected a database of UTF8, got SQL_ASCII"):
                    open_address(f"{near.rpartition('/')[0]}/{name}")
            finally:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
