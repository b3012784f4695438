"""Group commit: what waits becomes durable in one transaction; room is made where there is none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from edgewright.core.files import HeldFiles
from edgewright.device.store import entries, startup, stream_state, write_counter
from edgewright.device.store.database import Database, trouble
from edgewright.device.store.entries import AllowList, Pending
from edgewright.device.store.recovery import set_aside
from edgewright.device.store.retention import Ballast, TableSizes
from edgewright.device.store.startup import Clock
from edgewright.device.store.write_counter import WriteCounter
from edgewright.schema.device import PRIORITY
from edgewright.schema.errors import OutputError
from edgewright.schema.store import Item, StoreConfig

_ITEM_KEY = "WHERE priority = ? AND boot = ? AND sequence = ?"
_TOLD_PRIORITY = PRIORITY["health"]
_TRIM_SECONDS, _SAVE_SECONDS = 60.0, 600.0
_ATTEMPTS = 3
Result = TypeVar("Result")
NewItem = Callable[[str, dict[str, Any]], Item]


class Committer:
    """Writes what waits into a database.

    Args:
        folder: of the store.
        config: settings.
        database: open and sound.
        boot: number of this boot.
        clock: of this boot.
        gate: whose count of withheld keys is remembered.
        new_item: names an item: (kind, body) -> item.

    Raises:
        OutputError: what the last boot left cannot be read, nor set aside.
    """

    def __init__(
        self, folder: Path, config: StoreConfig, database: Database, boot: int, clock: Clock, gate: AllowList,
        new_item: NewItem,
    ) -> None:  # fmt: skip
        self._folder, self._config, self._boot, self._clock, self._gate = folder, config, boot, clock, gate
        self._new_item = new_item
        self.database, self.pending, self.ballast = database, Pending(), Ballast(folder, config.ballast)
        self._loss: tuple[int, int] | None = None
        self._version = 0
        try:
            self._begin()
        except Exception as error:
            # After an orderly end not every page was checked: what is wrong with one shows when it is read.
            if trouble(error) != "corrupt":
                raise OutputError("to read the store", str(error), str(folder)) from error
            self._set_aside(str(error))

    def age(self) -> float:
        """Return the running time in seconds, over all boots: what a store calls old.

        The wall clock of a board without a battery may jump by years. Retention, expiry and back-off count this
        instead; time when the device was off does not count.
        """
        return self._before + self._clock.running()

    def due(self) -> bool:
        """Return whether something has waited long enough, or enough of it."""
        since = self.pending.since
        waited = since is not None and self.age() - since >= self._config.group_seconds
        return waited or len(self.pending.writes) >= self._config.group_items

    def commit(self) -> None:
        """Make all that waits durable, or nothing of it.

        Raises:
            OutputError: not now; everything still waits.
        """
        if self.pending.since is None:
            return
        try:
            self._check()
            self._loss, made_room = self.mended(self._write)
            self._check()
        except Exception as error:
            raise OutputError("to store what was measured", str(error), str(self._folder)) from error
        done = [*(write.done for write in self.pending.writes if write.done), *self.pending.done]
        self.pending.clear()
        for call in done:
            call()
        self.wear.committed(self.age())
        self.copy_log(always=made_room)

    def remember(self) -> None:
        """Store what the next boot takes up, in a transaction of its own."""
        with self.database.transaction():
            self.save()

    def copy_log(self, always: bool = False) -> None:
        """Copy the log into the database once it is long; where the disk is too full for that, room is made."""
        try:
            if self.wear.checkpoint(self.age(), always=always):
                self.ballast.hold()
        except Exception as error:  # noqa: BLE001 - what was committed is durable in the log, whatever happened now
            # The database cannot grow: room is made while the log still can.
            if trouble(error) == "full":
                self._mend("full")

    def mended(self, work: Callable[[], Result]) -> tuple[Result, bool]:
        """Do it, again after each mending; return its result, and whether something was mended."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return work(), attempt > 0
            except Exception as error:
                if not self._mend(trouble(error)):
                    raise
        return work(), True

    def save(self) -> None:
        """Within a transaction: what the next boot takes up."""
        self._saved = self.age()
        known = write_counter.Memory(self.age(), self.wear.written, self._gate.withheld, self._config.quota)
        write_counter.save(self.database, known)

    def forget(self, key: tuple[Any, ...]) -> None:
        """Within a transaction: the item of (priority, boot, sequence) goes, if it is there."""
        size = self.database.value(f"SELECT size FROM outbox {_ITEM_KEY}", key)  # noqa: S608
        if size is not None:
            self.database.execute(f"DELETE FROM outbox {_ITEM_KEY}", key)  # noqa: S608
            self.room.removed("outbox", 1, size)

    def refresh(self) -> None:
        """Count again where another process has written."""
        if (version := self._seen()) != self._version:
            self.room.count()
            self._version = version

    def _begin(self) -> None:
        remembered = write_counter.load(self.database)
        self._before = remembered.age - self._clock.running()
        self._gate.withheld = max(self._gate.withheld, remembered.withheld)
        self.wear = WriteCounter(self.database, remembered.written)
        self.room = TableSizes(self.database, self._config, self.ballast, self.wear, self.age)
        self.room.count()
        self._version = self._seen()
        self._trimmed = self._saved = -float("inf")
        self.ballast.hold()
        self._files = HeldFiles(self.database.path)

    def _check(self) -> None:
        """Raise OutputError where a file of the database was removed or replaced: nothing written there stays."""
        if why := self._files.gone():
            raise OutputError("the files of the store as they were opened", why, do="Restart the agent")

    def _write(self) -> tuple[int, int] | None:
        """One transaction: what waits, retention where it is due, and a word about what was dropped."""
        self.refresh()
        room, kept, reported = self.room, self.room.copy(), self._loss
        now = self.age()
        saved, trimmed = self._saved, self._trimmed
        try:
            with self.database.transaction():
                for write in self.pending.writes:
                    if write.rank < 0:
                        self.forget(write.arguments)
                        continue
                    self.database.execute(write.sql, write.arguments)
                    if write.table:
                        room.added(write.table, write.size)
                stream_state.write(self.database, self.pending.kept)
                for priority, (items, size) in self.pending.given_up.items():
                    room.lost(priority, "disk", items, size)
                due = now - self._trimmed >= _TRIM_SECONDS
                if (due or room.over()) and room.trim(expired=due):
                    self._trimmed = now if due else self._trimmed
                if room.dropped_now:
                    reported = self._tell_dropped()
                if now - self._saved >= _SAVE_SECONDS:
                    self.save()
        except BaseException:
            room.restore(kept)
            self._saved, self._trimmed = saved, trimmed
            raise
        room.dropped_now = False
        return reported

    def _tell_dropped(self) -> tuple[int, int]:
        """Queue the counters of all that was dropped, in place of the last such item; return the item's numbers."""
        lost = self.database.execute("SELECT priority, reason, items, bytes FROM dropped ORDER BY priority, reason")
        body = {"dropped": [{"priority": p, "reason": r, "items": n, "bytes": size} for p, r, n, size in lost]}
        if self._loss is not None:
            self.forget((_TOLD_PRIORITY, *self._loss))
        item = self._new_item("dropped", body)
        write = entries.item(item, _TOLD_PRIORITY, self.age())
        self.database.execute(write.sql, write.arguments)
        self.room.added("outbox", write.size)
        return item.boot, item.sequence

    def _mend(self, problem: str) -> bool:
        """Make room or set a damaged file aside after a failed commit; return whether another attempt may succeed."""
        if problem == "full":
            try:
                return self.room.make(self.pending.bytes)
            except Exception:  # noqa: BLE001 - the error of the commit is the one that is told
                return False
        if problem != "corrupt":
            return False
        self._set_aside("found while writing")
        return True

    def _set_aside(self, reason: str) -> None:
        """Rename a damaged file and continue in a new one with what could be read."""
        with suppress(Exception):
            self.database.close()
        set_aside(self._folder, self._boot, self._clock.wall(), reason, self.database.opener)
        self.database = startup.database(self._folder, self._config, self.database.opener)
        self._begin()

    def _seen(self) -> int:
        return int(self.database.value("PRAGMA data_version"))
