"""Retention: what goes when it is old, when a table is too large, and when the disk or the quota is full."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgewright.core.files import open_private
from edgewright.core.records.device import PRIORITY
from edgewright.device.store import file_operations, stream_state
from edgewright.device.store.database import Database
from edgewright.device.store.records import ASIDE, RAW_PRIORITY, Limits, StoreConfig
from edgewright.device.store.write_counter import WriteCounter

BALLAST_FILE = "ballast"
# Beside the ballast so much stays free for others before it is made again.
_SPARE = 2
_MARGIN = 4 << 20


class Ballast:
    """Room held in `folder`; `wanted` bytes, 0 for none. A full disk gets it back in two steps.

    The first step leaves a quarter: deleting needs room in the log, and when there is none, nothing can go any more.
    """

    def __init__(self, folder: Path, wanted: int) -> None:
        self.path, self.wanted, self.reserve = folder / BALLAST_FILE, wanted, wanted // 4

    def hold(self, spare: int = _SPARE) -> bool:
        """Reserve the room where that many times as much is free, else a quarter; return whether all is reserved."""
        space = os.statvfs(self.path.parent)
        free, reserved = space.f_bavail * space.f_frsize, file_operations.size(self.path)
        size = self.wanted if free >= spare * self.wanted else self.reserve if free >= spare * self.reserve else 0
        if reserved < size:
            try:
                with open_private(self.path, "ab") as file:
                    # Blocks are reserved, not written: the flash does not wear.
                    os.posix_fallocate(file.fileno(), 0, size)
                reserved = size
            except OSError:
                with suppress(OSError):
                    self.path.unlink(missing_ok=True)
                return False
        return reserved >= self.wanted

    def tight(self) -> bool:
        """Return whether the disk itself is nearly full, not only the quota."""
        space = os.statvfs(self.path.parent)
        return space.f_bavail * space.f_frsize < _SPARE * self.wanted + _MARGIN

    def release(self) -> int:
        """Give up all but the quarter, then the quarter; return the bytes that became free."""
        reserved = file_operations.size(self.path)
        left = self.reserve if reserved > self.reserve else 0
        with suppress(OSError):
            os.truncate(self.path, left) if left else self.path.unlink(missing_ok=True)
        return reserved - file_operations.size(self.path)


_DAY = 86400.0
_BATCH = 64
_BATCHES = 32
"""Batches of rows and events that one commit deletes at most."""
# Made free at once on a full disk, so that the next commit does not meet the same: of raw rows, and of anything.
_STEP, _LITTLE = 256 << 10, 16 << 10
_NOT_ALARM = "kind != 'alarm'"
_ALL = 1 << 62


class TableSizes:
    """Bytes and entries of the tables, and how some of them go.

    Args:
        database: of the store.
        config: limits.
        ballast: given up on a full disk.
        wear: counts what is written.
        age: running time in seconds.
    """

    def __init__(
        self, database: Database, config: StoreConfig, ballast: Ballast, wear: WriteCounter, age: Callable[[], float]
    ) -> None:
        self._database, self._config, self._ballast, self._wear, self._age = database, config, ballast, wear, age
        self.bytes: dict[str, int] = {}
        self.entries: dict[str, int] = {}
        self.dropped_now = False
        """Whether items left the outbox unsent since this was last looked at."""

    def count(self) -> None:
        """Read the sizes of all tables again."""
        for table in ("events", "rows", "outbox"):
            (entries, size), *_ = self._database.execute(f"SELECT count(*), total(size) FROM {table}")  # noqa: S608
            self.entries[table], self.bytes[table] = int(entries), int(size)

    def over(self) -> bool:
        """Return whether a table is larger than its limit."""
        return any(size > getattr(self._config, table).bytes for table, size in self.bytes.items())

    def copy(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the counts, for `restore` when a transaction was not."""
        return dict(self.entries), dict(self.bytes)

    def restore(self, kept: tuple[dict[str, int], dict[str, int]]) -> None:
        """Take counts back."""
        self.entries, self.bytes = kept

    def added(self, table: str, size: int) -> None:
        """One entry more."""
        self.entries[table] += 1
        self.bytes[table] += size

    def removed(self, table: str, entries: int, size: int) -> None:
        """Entries less."""
        self.entries[table] = max(0, self.entries[table] - entries)
        self.bytes[table] = max(0, self.bytes[table] - size)

    def trim(self, expired: bool) -> bool:
        """Within a transaction: what is too old or too much in its table goes, the oldest first.

        Args:
            expired: whether the outbox is read for items that are too old; without an index that takes it whole.

        Returns:
            Whether that was all: after a smaller limit, one commit must not delete so much that the log grows by it.
        """
        left = _BATCHES
        for table, limits in (("rows", self._config.rows), ("events", self._config.events)):
            while left and self._trim(table, limits):
                left -= 1
        if expired:
            self._expire()
        while (excess := self.bytes["outbox"] - self._config.outbox.bytes) > 0 and self.drop("quota", excess):
            pass
        return left > 0

    def make(self, needed: int) -> bool:
        """Make room on a full disk or in a full quota; return whether another commit may now succeed.

        A full disk gets the ballast back first. Raw rows go next, then events that are no alarms and what was learnt of
        the streams, then items of the outbox that are no alarms, then stored copies of alarms. An alarm that waits to
        be sent goes for the quota only: on a full disk, the new one waits in memory.
        """
        tight = self._ballast.tight()
        # Released bytes help the disk alone: a database at its quota may not grow into them.
        released = self._ballast.release() if tight else 0
        with suppress(Exception):
            self._wear.checkpoint(self._age(), always=True)
        enough, freed = needed * 2 + _LITTLE, 0
        with self._database.transaction():
            # Raw rows make room for more than this commit, and for the ballast, which has to lie there the next time.
            while freed < enough + _STEP + 2 * self._ballast.wanted * tight and (
                step := self._oldest("rows") or self.drop("disk", minimum=RAW_PRIORITY)
            ):
                freed += step
            freed += released
            # With the last of the ballast, what is not urgent makes room for it again.
            calm = enough if released > self._ballast.reserve else enough + 2 * self._ballast.reserve * tight
            while freed < calm and (step := self._oldest("events", which=_NOT_ALARM)):
                freed += step
            if freed < calm and tight:
                freed += stream_state.forget_states(self._database)
            while freed < calm and (step := self.drop("disk", minimum=PRIORITY["alarm"] + 1)):
                freed += step
            while freed < enough and (step := self._oldest("events")):
                freed += step
            while not tight and freed < enough and (step := self.drop("disk", enough - freed)):
                freed += step
        if tight:
            self._shrink()
        return freed > 0

    def _shrink(self) -> None:
        """Give free pages back to the disk, few at a time, since the log grows by those that move."""
        with suppress(Exception):
            free, before = int(self._database.value("PRAGMA freelist_count")), -1
            while free and free != before:
                self._database.execute(f"PRAGMA incremental_vacuum({_BATCH})")
                if not self._wear.checkpoint(self._age(), always=True):
                    break
                free, before = int(self._database.value("PRAGMA freelist_count")), free

    def drop(self, reason: str, excess: int = _ALL, minimum: int = 0) -> int:
        """Drop items of the lowest priority unsent, the oldest first, and count them; return their bytes.

        Args:
            reason: as in `schema.store.Lost`.
            excess: bytes after which no further item goes; a batch of items at most.
            minimum: items more urgent than this stay.
        """
        priority = self._database.value("SELECT max(priority) FROM outbox")
        if priority is None or priority < minimum:
            return 0
        items = self._database.execute(
            "SELECT boot, sequence, size FROM outbox WHERE priority = ? ORDER BY boot, sequence LIMIT ?",
            (priority, _BATCH),
        )
        count, size = _until([size for *_, size in items], excess)
        boot, sequence, _ = items[count - 1]
        self._database.execute(
            "DELETE FROM outbox WHERE priority = ? AND (boot, sequence) <= (?, ?)", (priority, boot, sequence)
        )
        self._left(priority, reason, count, size)
        return size

    def lost(self, priority: int, reason: str, items: int, size: int) -> None:
        """Within a transaction: counts items that left unsent."""
        self.dropped_now = True
        self._database.execute(
            "INSERT INTO dropped VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET items = items + excluded.items, "
            "bytes = bytes + excluded.bytes",
            (priority, reason, items, size),
        )

    def _left(self, priority: int, reason: str, items: int, size: int) -> None:
        self.lost(priority % ASIDE, reason, items, size)
        self.removed("outbox", items, size)

    def _expire(self) -> None:
        if not self.entries["outbox"]:
            return
        now = self._age()
        old, limits = "expires <= ? OR age < ?", (now, now - self._config.outbox.days * _DAY)
        groups = self._database.execute(
            f"SELECT priority, count(*), total(size) FROM outbox WHERE {old} GROUP BY priority",  # noqa: S608
            limits,
        )
        for priority, items, size in groups:
            self._left(priority, "expired", items, int(size))
        if groups:
            self._database.execute(f"DELETE FROM outbox WHERE {old}", limits)  # noqa: S608

    def _trim(self, table: str, limits: Limits) -> int:
        if self.bytes[table] > limits.bytes:
            return self._oldest(table, self.bytes[table] - limits.bytes)
        if not self.entries[table]:
            return 0
        first = self._database.value(f"SELECT age FROM {table} ORDER BY id LIMIT 1")  # noqa: S608
        if first is None or first >= self._age() - limits.days * _DAY:
            return 0
        return self._oldest(table, older=self._age() - limits.days * _DAY)

    def _oldest(self, table: str, excess: int = _ALL, older: float = float("inf"), which: str = "TRUE") -> int:
        candidates = self._database.execute(
            f"SELECT id, size FROM {table} WHERE age < ? AND {which} ORDER BY id LIMIT ?",  # noqa: S608
            (older, _BATCH),
        )
        if not candidates:
            return 0
        count, gone = _until([size for _, size in candidates], excess)
        self._database.execute(
            f"DELETE FROM {table} WHERE id <= ? AND {which}",  # noqa: S608
            (candidates[count - 1][0],),
        )
        self.removed(table, count, gone)
        return gone


def _until(sizes: list[int], excess: int) -> tuple[int, int]:
    """Return how many of the first entries are together at least so large, or all of them, and their bytes."""
    gone = 0
    for count, size in enumerate(sizes, 1):
        gone += size
        if gone >= excess:
            return count, gone
    return len(sizes), gone
