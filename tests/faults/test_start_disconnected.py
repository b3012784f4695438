"""A server that starts while PostgreSQL drops its connection, at every statement of the start, starts all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from edgewright.fleet.server import restore
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database import migration, postgres, tables
from edgewright.fleet.server.database.engine import open_address
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.postgres import WriteError, retried
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.rollouts import worker
from postgres_database import fresh_database
from rollout_example import Example
from statement_cutter import StatementCutter

pytestmark = pytest.mark.slow


@pytest.fixture
def cutter() -> Iterator[StatementCutter]:
    with fresh_database() as address:
        statement_cutter = StatementCutter(address)
        yield statement_cutter
        statement_cutter.close()


@pytest.mark.heavy
@pytest.mark.parametrize("after", [False, True], ids=["any statement", "a commit's answer"])
def test_a_start_whose_connection_is_cut_starts(tmp_path: Path, cutter: StatementCutter, after: bool) -> None:
    example = Example(tmp_path, now=time.time())
    example.close()
    folder = example.fleet.folder
    migration.move(folder, cutter.direct)
    postgres.keep(folder, cutter.address)
    number, cut = 0, 0
    while True:
        with psycopg.connect(cutter.direct, autocommit=True) as connection:  # a new database again: begin writes it
            connection.execute("TRUNCATE signed, signed_files, rollouts, audit")
            connection.execute("UPDATE heads SET serial = 0")
        number += 1
        cutter.reset(number, after=after)
        plane = open_plane(folder)
        try:
            service = retried(lambda plane=plane: worker._begun(plane, example.new_signer().sign), worker.PATIENCE_S)  # type: ignore[misc]
            was_cut, description = cutter.cut, f"statement {number}: {cutter.text!r}"
            cutter.reset()
            assert service.scheduler.tick() == [], description
            with plane.database.reading() as connection:
                assert tables.verify_audit_log(connection)[2] == "", description
                acts = connection.execute(sa.select(audit.c.what)).scalars().all()
                assert acts.count("begun") == 1, description
                assert restore.role_files(connection), description
        finally:
            plane.close()
        if not was_cut:
            break
        cut += 1
    assert cut >= (3 if after else 60)


@pytest.mark.parametrize("after", [False, True], ids=["any statement", "a commit's answer"])
def test_a_write_whose_connection_is_cut_is_done_once_or_said_to_have_failed(
    cutter: StatementCutter, after: bool
) -> None:
    database = open_address(cutter.address)
    committer = Committer(database.writing, thread=False)
    done = failed = number = 0
    while True:
        number += 1
        committer.submit(lambda c: c.execute(sa.select(sa.func.now())).scalar_one()).result()  # the pool has one
        cutter.reset(number, after=after)
        future = committer.submit(
            lambda c, number=number: tables.append_audit_row(c, at=1.0, who="test", action=f"write {number}")  # type: ignore[misc]
        )
        was_cut = cutter.cut
        cutter.reset()
        error = future.exception()
        with database.reading() as connection:
            rows = connection.execute(sa.select(audit.c.number).where(audit.c.what == f"write {number}")).all()
            assert tables.verify_audit_log(connection)[2] == ""
        if error is None:
            assert len(rows) == 1
            done += 1
        else:  # whether a commit without an answer was carried out is unknown
            assert isinstance(error, WriteError), repr(error)
            assert len(rows) == int(after)
            failed += 1
        if not was_cut:
            break
    assert done >= (1 if after else 5)
    assert failed == 1  # at the commit
    committer.close()
    database.close()
