"""The control plane's database: its revisions, its copy, and an audit log that shows when it was changed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from edgewright.core.errors import ExistingFileError, FleetDatabaseError, FormatNewerError
from edgewright.fleet.server.database import sqlite as files
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.migration import upgrade_file
from edgewright.fleet.server.database.tables import audit, devices, metadata, tokens
from first_revision import first_revision


def test_an_empty_database_gets_the_tables_that_the_code_names(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_newer_database_is_refused_by_name(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.writing.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(FormatNewerError, match=r"9999.*newer Edgewright"):
        open_database(tmp_path)


def test_the_key_that_an_older_version_kept_in_the_database_is_overwritten(tmp_path: Path) -> None:
    database, key = open_database(tmp_path), b"answers are signed with this key"
    with database.writing.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE secrets (name VARCHAR(32) PRIMARY KEY, value BLOB)")
        connection.exec_driver_sql("INSERT INTO secrets VALUES ('answers', ?)", (key,))
        first_revision(connection)
    database.close()
    assert key in (tmp_path / files.NAME).read_bytes()
    upgrade_file(tmp_path / files.NAME)
    assert not [path for path in tmp_path.iterdir() if key in path.read_bytes()]


def test_devices_of_the_first_revision_are_active_and_have_their_tags(tmp_path: Path) -> None:
    row = {"product": "p", "profile": "pi", "tags": ("a",), "given": ("a",), "batch": "b", "token": "", "nonce": ""}
    database = open_database(tmp_path)
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices).values(id="1", key="1", name="one", enrolled_at=1.0, **row))
        first_revision(connection)
    database.close()
    upgrade_file(tmp_path / files.NAME)
    database = open_database(tmp_path)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        device = connection.execute(sa.select(devices)).one()
    database.close()
    assert (device.status, device.given, device.tagged_at, device.retries) == ("active", ("a",), None, 0)


def test_a_commit_is_flushed_and_readers_cannot_write(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.writing.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    with database.reading() as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.execute(sa.delete(devices))
    assert (tmp_path / files.NAME).stat().st_mode & 0o077 == 0
    database.close()


def test_a_changed_a_missing_and_an_inserted_row_break_the_chain(tmp_path: Path) -> None:
    database = open_database(tmp_path)

    def verified(statement: str) -> tuple[int, str]:
        with database.writing.connect() as connection, connection.begin() as change:
            connection.execute(sa.text(statement))
            rows, _, problem = tables.verify_audit_log(connection)
            change.rollback()
        return rows, problem

    with database.writing.begin() as connection:
        for number in range(5):
            tables.append_audit_row(
                connection, at=float(number), who="ada", action="did", subject=str(number), detail={"n": number}
            )
        assert tables.verify_audit_log(connection)[0::2] == (5, "")
    assert verified("UPDATE audit SET who = 'eve' WHERE number = 3") == (2, "row 3 was changed")
    assert verified("UPDATE audit SET at = at + 1 WHERE number = 1") == (0, "row 1 was changed")
    assert verified("DELETE FROM audit WHERE number = 3") == (2, "row 3 is missing")
    assert verified("UPDATE audit SET before = hash WHERE number = 4")[1].startswith("row 4")
    rows, problem = verified("DELETE FROM audit WHERE number = 5")
    assert (rows, problem) == (4, "")  # a chain cut off at its end holds: that is what the noted hash is for
    with database.reading() as connection:
        assert connection.execute(sa.select(audit.c.before).where(audit.c.number == 1)).scalar_one() == tables.START
    database.close()


def test_a_backup_is_one_moment_of_a_database_that_is_written(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    committer, ended = Committer(database.writing), threading.Event()

    def write() -> None:
        while not ended.is_set():
            committer.submit(
                lambda c: tables.append_audit_row(c, at=1.0, who="w", action="x", detail={"pad": "x" * 2000})
            ).result(10)

    writer = threading.Thread(target=write)
    writer.start()
    copies = [tmp_path / f"copy{number}.sqlite" for number in range(3)]
    for copy in copies:
        assert files.copy_file(tmp_path / files.NAME, copy) == copy.stat().st_size
    ended.set()
    writer.join()
    committer.close()
    database.close()
    for copy in copies:
        assert copy.stat().st_mode & 0o077 == 0
        copied = sqlite3.connect(copy)
        assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copied.close()
        engine = files.engine(copy, reading=True)
        with engine.connect() as connection:
            assert tables.verify_audit_log(connection)[2] == ""
        engine.dispose()


def test_a_backup_writes_over_nothing(tmp_path: Path) -> None:
    with pytest.raises(FleetDatabaseError):
        files.copy_file(tmp_path / files.NAME, tmp_path / "copy")
    open_database(tmp_path).close()
    (tmp_path / "there").write_text("mine")
    with pytest.raises(ExistingFileError):
        files.copy_file(tmp_path / files.NAME, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"


def test_tags_are_found_whole(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    row = {"product": "p", "batch": "b", "made_at": 0.0, "made_by": "m", "expires": 0.0, "uses": 1}
    with database.writing.begin() as connection:
        connection.execute(
            sa.insert(tokens), [{"hash": "1", "tags": ("ab", "c"), **row}, {"hash": "2", "tags": (), **row}]
        )
        tags = connection.execute(sa.select(tokens.c.tags).order_by(tokens.c.hash)).scalars().all()
        assert tags == [("ab", "c"), ()]
        text = sa.type_coerce(tokens.c.tags, sa.Text)
        for tag, count in (("ab", 1), ("a", 0), ("c", 1)):
            assert len(connection.execute(sa.select(tokens).where(text.contains(f",{tag},"))).all()) == count
    database.close()
