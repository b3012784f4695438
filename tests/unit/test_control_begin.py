"""Two servers that start at once over a database that is new: one of them takes in what is published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.publishing import heads, restore
from edgewright.fleet.server.publishing.restore import begin
from fleet_folder import fleet


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
            assert len(heads.roots(connection)) == 1
            assert audit_chain.verify(connection)[2] == ""
            assert connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar_one() == 1
    finally:
        for committer, database in zip(committers, (first, second), strict=True):
            committer.close()
            database.close()
