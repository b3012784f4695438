"""How long things are kept: old reports and items go, a few at a time, and signed files that nobody needs any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import items, reports, tokens
from edgewright.fleet.server.publishing.pruning import prune
from edgewright.schema.errors import EdgewrightError

EVERY = 600.0
STRIDE = 24 * EVERY
"""Seconds of history that go at once: a server whose clock is a year ahead for an hour loses a day of it, not all."""
_AT_ONCE = 2000


def forget(plane: Plane, now: float, stride: float = STRIDE) -> int:
    """Deletes what is older than the limits of a plane say, the oldest first; how many rows.

    Args:
        plane: whose limits and database.
        now: seconds since 1970.
        stride: seconds of history that go at most.

    Raises:
        BusyError: too much waits to be written; the rest goes next time.
        OutputError: the disk failed.
    """
    limits, gone = plane.limits, 0
    for table, before in ((reports, now - limits.keep), (items, now - limits.keep_items)):
        with plane.database.reading() as connection:
            oldest = connection.execute(sa.select(sa.func.min(table.c.at))).scalar_one()
        if oldest is None:
            continue
        before = min(before, oldest + stride)
        while True:
            count = plane.committer.submit(_of(table, before)).result()
            gone += count
            if count < _AT_ONCE:
                break
    # A token that is used or over stays for as long as reports do: the same device may ask again what it was told.
    first = sa.select(sa.func.min(tokens.c.expires)).scalar_subquery()
    over = sa.delete(tokens).where(tokens.c.expires < now - limits.keep, tokens.c.expires < first + stride)
    return gone + int(plane.committer.submit(lambda c: c.execute(over).rowcount).result())


def _of(table: sa.Table, before: float) -> Callable[[sa.Connection], int]:
    keys = list(table.primary_key)
    old = sa.select(*keys).where(table.c.at < before).limit(_AT_ONCE)

    def work(connection: sa.Connection) -> int:
        found = [tuple(row) for row in connection.execute(old)]
        if found:
            matched = sa.and_(*(key == sa.bindparam(f"old_{key.name}") for key in keys))
            rows = [{f"old_{key.name}": value for key, value in zip(keys, row, strict=True)} for row in found]
            connection.execute(sa.delete(table).where(matched), rows)
        return len(found)

    return work


def start(plane: Plane) -> Callable[[], None]:
    """Forgets every ten minutes, in a thread of its own, until it is stopped."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(EVERY):
            try:
                now = plane.clock.wall()
                gone = forget(plane, now) + prune(open_fleet(plane.folder), plane.database, plane.committer, now)
            except EdgewrightError as error:
                log.line("warning", "forgetting", why=str(error))
                continue
            except Exception as error:  # noqa: BLE001 - the database, the disk: told, and tried again
                log.broken(error, "forgetting")
                continue
            if gone:
                log.line("info", "forgotten", rows=gone)

    thread = threading.Thread(target=run, name="fleet-keeping", daemon=True)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join(5.0)

    return stop
