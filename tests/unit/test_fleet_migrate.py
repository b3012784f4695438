"""A newer version on an older database: only a migration changes it, after a backup; every other command refuses."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from cli_runner import Cli
from edgewright.core.errors import FormatNewerError, InputError
from edgewright.fleet.server.database import postgres, revision, sqlite, tables
from edgewright.fleet.server.database.engine import open_address, open_database, open_file
from edgewright.fleet.server.database.migration import upgrade, upgrade_file
from edgewright.fleet.server.database.migrations import versions
from edgewright.fleet.server.database.postgres import alone
from edgewright.fleet.server.database.tables import metadata
from fleet_plane import fleet_folder, plane_of
from newer_version import NUMBER, newer_revisions
from postgres_database import fresh_database

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fleet of this version; from here on the program is a newer one."""
    folder = fleet_folder(tmp_path / "fleet")
    with plane_of(folder, thread=False) as plane, plane.database.writing.begin() as connection:
        tables.append_audit_row(connection, at=1.0, who="test", action="before")
    monkeypatch.setattr(revision, "FOLDER", newer_revisions(tmp_path / "newer"))
    return folder


def revision_of(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@pytest.mark.parametrize(
    "words",
    ["devices --fleet", "audit verify --fleet", "token new --fleet", "operator add ada --role viewer --fleet",
     "restore --fleet", "serve --port 0"],
)  # fmt: skip
def test_no_other_command_of_a_newer_version_migrates(older: Path, cli: Cli, words: str) -> None:
    before = revision_of(older / sqlite.NAME)
    message = cli("fleet", *words.split(), older, code=2)
    assert f"revision {before}, of an older Edgewright" in message
    assert "edgewright fleet migrate" in message
    assert revision_of(older / sqlite.NAME) == before


def test_a_migration_is_shown_first_and_backed_up(older: Path, cli: Cli, tmp_path: Path) -> None:
    path = older / sqlite.NAME
    before = revision_of(path)
    shown = cli("fleet", "migrate", older, "--dry-run")
    assert f"{NUMBER}: Devices have a site." in shown
    assert revision_of(path) == before
    assert not (older / "backups").exists()
    with alone(older):  # as by a server
        assert "no other process serves" in cli("fleet", "migrate", older, code=2)
    assert revision_of(path) == before
    done = cli.json("fleet", "migrate", older)
    assert (done["before"], done["after"]) == (before, NUMBER)
    assert revision_of(path) == NUMBER
    copied = Path(done["backup"])
    assert copied.parent == older / "backups"
    assert copied.stat().st_mode & 0o077 == copied.parent.stat().st_mode & 0o077 == 0
    assert revision_of(copied) == before
    with contextlib.closing(sqlite3.connect(copied)) as connection:
        assert connection.execute("SELECT what FROM audit").fetchall() == [("before",)]
    assert "nothing to do" in cli("fleet", "migrate", older)
    assert len(list((older / "backups").iterdir())) == 1


def test_nothing_is_migrated_where_the_backup_fails(older: Path, cli: Cli, tmp_path: Path) -> None:
    before = revision_of(older / sqlite.NAME)
    (tmp_path / "there").write_text("mine")
    assert "does not exist yet" in cli("fleet", "migrate", older, "--backup", tmp_path / "there", code=2)
    assert revision_of(older / sqlite.NAME) == before


def test_a_backup_of_an_older_version_is_migrated_where_it_is_restored(older: Path, cli: Cli, tmp_path: Path) -> None:
    before = revision_of(older / sqlite.NAME)
    cli("fleet", "backup", older, tmp_path / "monday.sqlite")
    assert revision_of(tmp_path / "monday.sqlite") == before
    (older / sqlite.NAME).unlink()
    cli("fleet", "restore", "--fleet", older, "--backup", tmp_path / "monday.sqlite", code=2)  # no signed metadata here
    assert revision_of(older / sqlite.NAME) == NUMBER
    assert revision_of(tmp_path / "monday.sqlite") == before


def test_the_first_release_s_tables_become_today_s(tmp_path: Path) -> None:
    path = tmp_path / sqlite.NAME
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "fleet_schema_0005_sqlite.sql").read_text())
    upgrade_file(path)
    database = open_file(path)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_migration_drops_the_tables_of_federated_learning_and_its_backup_has_them(database_folder: Path) -> None:
    folder = fleet_folder(database_folder)
    with plane_of(folder, thread=False) as plane, plane.database.writing.begin() as connection:
        tables.append_audit_row(connection, at=1.0, who="test", action="federation.started")
        with Operations.context(MigrationContext.configure(connection)):
            import_module(f"{versions.__name__}.0011_federations").upgrade()
        connection.exec_driver_sql("INSERT INTO federation_members VALUES ('f', 'd', 'c', 1)")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0013'")
    with pytest.raises(FormatNewerError):
        open_database(folder)
    done = upgrade(folder)
    assert (done.before, done.after) == ("0013", revision.newest())
    with contextlib.closing(sqlite3.connect(done.backup)) as backup:
        assert backup.execute("SELECT * FROM federation_members").fetchall() == [("f", "d", "c", 1)]
    database = open_database(folder)
    with database.reading() as connection:
        assert not [name for name in sa.inspect(connection).get_table_names() if name.startswith("federation")]
        assert connection.exec_driver_sql("SELECT what FROM audit").fetchall() == [("federation.started",)]
    database.close()
    assert upgrade(folder).steps == ()


@pytest.mark.slow
def test_a_backup_of_an_older_postgresql_has_its_tables(tmp_path: Path) -> None:
    folder = fleet_folder(tmp_path)
    text = (FIXTURES / "fleet_schema_0005_postgresql.sql").read_text()
    with fresh_database() as address:
        postgres.keep(folder, address)
        with psycopg.connect(address) as connection:
            connection.execute(text.encode())
            connection.execute("INSERT INTO secrets VALUES ('key', 'abc')")
        done = upgrade(folder)
    with (
        contextlib.closing(sqlite3.connect(done.backup)) as backup,
        contextlib.closing(sqlite3.connect(":memory:")) as first,
    ):
        assert backup.execute("SELECT * FROM secrets").fetchall() == [("key", b"abc")]
        assert revision_of(Path(done.backup)) == "0005"
        first.executescript((FIXTURES / "fleet_schema_0005_sqlite.sql").read_text())
        for each in ("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
                     "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%' ORDER BY 1"):  # fmt: skip
            assert backup.execute(each).fetchall() == first.execute(each).fetchall()


@pytest.mark.slow
def test_the_first_release_s_tables_become_today_s_over_postgresql() -> None:
    with fresh_database() as address:
        engine = sa.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.exec_driver_sql((FIXTURES / "fleet_schema_0005_postgresql.sql").read_text())
        revision.upgrade(engine, address)
        engine.dispose()
        database = open_address(address)
        with database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        database.close()


@pytest.mark.slow
def test_servers_report_while_a_large_index_is_built_over_postgresql_and_a_cut_build_is_begun_again() -> None:
    with fresh_database() as address:
        engine = sa.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.exec_driver_sql((FIXTURES / "fleet_schema_0005_postgresql.sql").read_text())
        failures: list[BaseException] = []

        def migrate() -> None:
            own = postgres.engine(address, reading=False)
            try:
                revision.upgrade(own, address)
            except sa.exc.OperationalError as error:
                failures.append(error)
            finally:
                own.dispose()

        with psycopg.connect(address) as older, psycopg.connect(address, autocommit=True) as server:
            older.execute("DELETE FROM reports WHERE id < 0")  # a transaction whose end the build waits for
            thread = threading.Thread(target=migrate)
            thread.start()
            building = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%' AND pid <> %s"
            while not (terminated := server.execute(building, (server.info.backend_pid,)).fetchone()):
                assert thread.is_alive()
                time.sleep(0.02)
            server.execute("SET lock_timeout = '2s'")
            server.execute("DELETE FROM reports WHERE id < 0")  # would wait for an ordinary build
            server.execute("SELECT pg_terminate_backend(%s)", terminated)
            thread.join(30.0)
            assert failures
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_reports_device_at')"
            assert server.execute(valid).fetchone() in (None, (False,))
            assert server.execute("SELECT version_num FROM alembic_version").fetchone() == ("0005",)
            older.rollback()
            failures.clear()
            migrate()
            assert not failures
            assert server.execute(valid).fetchone() == (True,)
        engine.dispose()
        open_address(address).close()


@pytest.mark.slow
def test_a_server_that_starts_while_an_index_is_built_and_a_time_limit_of_statements_stop_no_build() -> None:
    with fresh_database() as address:
        with psycopg.connect(address, autocommit=True) as server:
            server.execute((FIXTURES / "fleet_schema_0005_postgresql.sql").read_text().encode())
            name = address.rpartition("/")[2]
            server.execute(f"ALTER DATABASE {name} SET statement_timeout = '2s'".encode())
        own = postgres.engine(address, reading=False)
        with (
            psycopg.connect(address) as older, psycopg.connect(address, autocommit=True) as server,
            ThreadPoolExecutor(2) as threads,
        ):  # fmt: skip
            older.execute("DELETE FROM reports WHERE id < 0")  # a transaction whose end the build waits for
            migrating = threads.submit(revision.upgrade, own, address)
            building = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%' AND pid <> %s"
            while not server.execute(building, (server.info.backend_pid,)).fetchone():
                assert not migrating.done(), migrating.exception()
                time.sleep(0.02)
            starting = threads.submit(open_address, address)
            time.sleep(3.0)  # longer than any statement may take
            older.rollback()
            assert isinstance(starting.exception(15.0), InputError)  # of an older revision
            assert migrating.result(15.0) is None
        own.dispose()
        open_address(address).close()


def test_a_dry_run_says_how_long_a_large_index_takes(tmp_path: Path, cli: Cli) -> None:
    folder = fleet_folder(tmp_path / "fleet")
    path = folder / sqlite.NAME
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "fleet_schema_0005_sqlite.sql").read_text())
        columns = [(row[1], row[2]) for row in connection.execute("PRAGMA table_info(reports)")]
        values = ", ".join("5000000" if name == "id" else "''" if "CHAR" in kind else "0" for name, kind in columns)
        connection.execute(f"INSERT INTO reports VALUES ({values})")  # noqa: S608
        connection.execute("UPDATE reports SET id = 1")
        connection.execute(f"INSERT INTO reports VALUES ({values})")  # noqa: S608
        connection.commit()
    printed = cli("fleet", "migrate", folder, "--dry-run")
    assert "an index over some 5,000,000 reports: about 20 s, with the backup 600 MB of free space" in printed
    assert revision_of(path) == "0005"


def test_what_came_after_the_first_release_leaves_older_servers_at_work(tmp_path: Path) -> None:
    """A server of the version before writes rows that lack newer columns, while two versions serve at once."""
    first = sqlite3.connect(":memory:")
    first.executescript((FIXTURES / "fleet_schema_0005_sqlite.sql").read_text())
    for (table,) in first.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table in ("alembic_version", "secrets"):  # no server of 0.1.0 reads or writes `secrets`
            continue
        known = {row[1] for row in first.execute(f"PRAGMA table_info({table})")}
        assert table in metadata.tables, f"{table} is gone: older servers still use it"
        columns = metadata.tables[table].columns
        assert known <= set(columns.keys()), f"a column of {table} is gone: older servers still use it"
        for column in columns:
            assert column.name in known or column.nullable or column.server_default is not None, (
                f"{table}.{column.name} needs a server_default or to be nullable: older servers do not write it"
            )
    first.close()
