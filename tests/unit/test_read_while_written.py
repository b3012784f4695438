"""Readers beside a writer that comes and goes: what they print is of one moment, or they say that it changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.commands.device.status import _word
from edgewright.core import read_only_database
from edgewright.core.errors import OutputError
from edgewright.device.store import reader, status
from edgewright.fleet.device.enrollment import TRUST_FOLDER
from edgewright.fleet.device.trust.pinned_root import FILE
from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.repository.folder import DATABASE, Fleet
from edgewright.fleet.server.database import sqlite
from store_example import event, opened


class Meddler:
    """Lets a writer in each time a reader has opened a database and read all of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write: Callable[[], None] = lambda: None
        self.left, self._open = 0, read_only_database._opened
        monkeypatch.setattr(read_only_database, "_opened", self._meddled)

    def let(self, write: Callable[[], None], times: int = 1) -> None:
        self.left, self.write = times, write

    def _meddled(self, uri: str, options: dict[str, Any]) -> sqlite3.Connection:
        connection = self._open(uri, options)
        if self.left:
            self.left -= 1
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - its own names
            self.write()
        return connection


@pytest.fixture
def meddler(monkeypatch: pytest.MonkeyPatch) -> Meddler:
    return Meddler(monkeypatch)


def add(folder: Path, label: str) -> None:
    """Write an event as an agent does that starts and stops."""
    with opened(folder) as store:
        store.append_events([event(label=label)])


def test_commands_that_read_a_store_read_again_what_changed(tmp_path: Path, meddler: Meddler, cli: Cli) -> None:
    folder, labels = tmp_path / "store", ["first"]
    add(folder, "first")

    def write() -> None:
        labels.append(f"more-{len(labels)}")
        add(folder, labels[-1])

    meddler.let(write)
    printed = cli("device", "query", "--store", folder)
    assert [line.split()[3] for line in printed.splitlines()] == labels[::-1]
    meddler.let(write)
    assert cli.json("device", "export", "--store", folder, "--out", tmp_path / "a.csv")["lines"] == len(labels)
    assert (tmp_path / "a.csv").read_text().count("more-") == len(labels) - 1
    meddler.let(write)
    assert cli.json("device", "status", "--store", folder)["tables"]["events"]["entries"] == len(labels)
    meddler.let(write)
    cli("device", "status", "--store", folder, "--check")
    assert not meddler.left
    meddler.let(write)
    assert status.patient(folder).quota
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "store"]


def test_nobody_who_reads_a_store_gets_what_changed(tmp_path: Path, meddler: Meddler, cli: Cli) -> None:
    add(tmp_path, "first")
    with pytest.raises(OutputError, match="stays while it is read"), reader.look(tmp_path) as database:
        assert list(reader.events(database))
        add(tmp_path, "second")
    meddler.let(lambda: add(tmp_path, "more"), times=99)
    with pytest.raises(OutputError, match="stays while it is read"):
        status.patient(tmp_path)
    assert meddler.left == 99 - read_only_database._ATTEMPTS
    meddler.left = 0
    with pytest.raises(ValueError, match="own"), reader.look(tmp_path):
        raise ValueError("own")


def test_the_newest_signature_is_read_again_when_it_changed(tmp_path: Path, meddler: Meddler) -> None:
    (tmp_path / TRUST_FOLDER).mkdir()

    def write(signed: float) -> None:
        with closing(sqlite3.connect(tmp_path / TRUST_FOLDER / FILE)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS words(value BLOB)")
            database.execute("DELETE FROM words")
            database.execute("INSERT INTO words VALUES (?)", (msgspec.json.encode({"signed": signed}),))
            database.commit()

    write(1.0)
    meddler.let(lambda: write(2.0))
    assert _word(tmp_path).signed == 2.0
    meddler.let(lambda: write(3.0), times=99)
    assert _word(tmp_path) is None


def test_a_fleet_that_a_server_takes_over_is_managed(tmp_path: Path, meddler: Meddler) -> None:
    fleet = Fleet(tmp_path, FleetSettings(format=1, name="a", products=("p",)))

    def write(*statements: str) -> None:
        with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    write("CREATE TABLE signed(role TEXT)")
    assert not fleet.managed()
    meddler.let(lambda: write("INSERT INTO signed VALUES ('root')"))
    assert fleet.managed()
    write("DELETE FROM signed")
    meddler.let(lambda: write("CREATE TABLE more(x)", "DROP TABLE more"), times=99)
    assert fleet.managed()  # a server is at work


def test_a_writer_that_holds_its_journal_for_long_is_not_read_from_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE a(x)")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("INSERT INTO a VALUES (1)")
        assert path.with_name("a.sqlite-journal").exists()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            read_only_database.connect_read_only(path, timeout=0.1)
        writer.execute("COMMIT")
    with closing(read_only_database.connect_read_only(path)) as connection:
        assert connection.execute("SELECT x FROM a").fetchall() == [(1,)]


def test_a_backup_that_fails_leaves_no_file(tmp_path: Path, meddler: Meddler) -> None:
    source = tmp_path / "fleet.sqlite"

    def write() -> None:
        with closing(sqlite3.connect(source)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS a(x)")
            database.execute("INSERT INTO a VALUES (randomblob(5000))")
            database.commit()

    write()
    meddler.let(write, times=99)
    with pytest.raises(OutputError, match="stays while it is read"):
        sqlite.copy_file(source, tmp_path / "copy.sqlite")
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.sqlite"]
