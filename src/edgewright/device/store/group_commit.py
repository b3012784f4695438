"""Group commit: what waits becomes durable in one transaction; room is made where there is none."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edgewright.core.errors import OutputError, StoreDamagedError
from edgewright.core.files import HeldFiles
from edgewright.core.records.device import PRIORITY, Event
from edgewright.device.store import entries, startup, stream_state, write_counter
from edgewright.device.store.database import Database, trouble
from edgewright.device.store.entries import AllowList, Pending, Write
from edgewright.device.store.records import ASIDE, LOWEST_PRIORITY, Item, OutboxItem, Position, StoreConfig
from edgewright.device.store.recovery import set_aside
from edgewright.device.store.retention import Ballast, TableSizes
from edgewright.device.store.startup import Clock
from edgewright.device.store.write_counter import WriteCounter

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


_FIRST_WAIT, _LONGEST_WAIT = 1.0, 120.0
"""Seconds after a failure, doubling, and at most: so soon after an outage every device has begun to send."""
# Items that were refused while others were taken are remembered, the oldest forgotten first: memory is bounded.
_REMEMBERED = 2048
REFUSED_BY_FLEET = "refused by the fleet"
"""Label of the health event of an item that was set aside."""
_REASON = 240
_PUT_ASIDE = "UPDATE OR REPLACE outbox SET priority = ? WHERE priority = ? AND boot = ? AND sequence = ?"


class Outbox:
    """The queue of one store. What was taken and neither acknowledged nor released is on its way, not taken twice.

    What is on its way is known in memory only. After a power cut it is sent again; the receiver knows it by its name.
    """

    def __init__(
        self, committer: Committer, gate: AllowList, guard: threading.RLock, new_item: NewItem,
        append_events: Callable[[Sequence[Event]], object], tick: Callable[[], None],
    ) -> None:  # fmt: skip
        self._committer, self._gate, self._guard, self._new_item = committer, gate, guard, new_item
        self._append_events, self._tick = append_events, tick
        self._leaving: set[Position] = set()
        self._away: dict[Position, int] = {}
        self._refused: dict[Position, tuple[int, float]] = {}
        self._failures = 0
        self._again = 0.0

    def put(self, kind: str, body: Mapping[str, Any], priority: int, expires: float | None = None) -> int:
        """Queue an item; durable with the store's next commit. Keys that are not allowed to leave are left out.

        Args:
            kind: what it is, for the receiver.
            body: its content; `StoreConfig.send_detail` names the keys that may leave.
            priority: 0 (first) to 15.
            expires: seconds of running time after which it is worth nothing; None: the outbox's own limit counts.

        Returns:
            Its sequence in this boot.

        Raises:
            InputError: no such priority.
        """
        if not 0 <= priority <= LOWEST_PRIORITY:
            raise StoreDamagedError(
                f"a priority from 0 to {LOWEST_PRIORITY}", str(priority), f"an item of kind {kind!r}"
            )
        with self._guard:
            item = self._new_item(kind, self._gate.body(body))
            now = self._committer.age()
            self._committer.pending.add(entries.item(item, priority, now, expires), now)
            self._tick()
            return item.sequence

    def take(self, limit: int = 64 << 10, items: int = 256) -> list[OutboxItem]:
        """Take the next items, most urgent first, then oldest first; they count as sent from now on.

        Args:
            limit: bytes together; one item always fits.
            items: at most so many.

        Returns:
            Nothing while the outbox is empty or rests after a failure.
        """
        with self._guard:
            now = self._committer.age()
            if now < self._again:
                return []
            batch: list[OutboxItem] = []
            total = 0
            after = (-1, -1, -1)
            while len(batch) < items:
                rows = self._committer.database.execute(
                    "SELECT priority, boot, sequence, expires, body FROM outbox WHERE (priority, boot, sequence) > "
                    "(?, ?, ?) AND priority <= ? ORDER BY priority, boot, sequence LIMIT 64",
                    (*after, LOWEST_PRIORITY),
                )
                for priority, boot, sequence, expires, body in rows:
                    after = (priority, boot, sequence)
                    if not self._ready((boot, sequence), expires, now):
                        continue
                    total += len(body)
                    if batch and (total > limit or len(batch) >= items):
                        return self._leave(batch)
                    batch.append(OutboxItem((boot, sequence), priority, bytes(body)))
                if not rows:
                    break
            return self._leave(batch)

    def acknowledge(self, places: Iterable[Position], durable: bool) -> int:
        """Items that arrived. They go when the receiver said that they are durable there, else they are sent again.

        Their going is durable with the store's next commit; until then a power cut brings them back.
        """
        with self._guard:
            known = list(places)
            if not durable:
                self.release(known)
                return 0
            for position in known:
                self._refused.pop(position, None)
                self._forget(position, self._away.get(position))
            if known:
                self._failures, self._again = 0, 0.0
            return len(known)

    def release(self, places: Iterable[Position], failed: bool = True) -> None:
        """Items that did not arrive are taken again: after a while that grows with every failure.

        Args:
            places: of the items.
            failed: False where nobody is to blame: they are taken again at once.
        """
        with self._guard:
            now = self._committer.age()
            released = [position for position in places if self._away.pop(position, None) is not None]
            if failed and released:
                self._failures += 1
                self._again = now + _wait(self._failures)

    def rest(self) -> float:
        """Return seconds until something may be taken again."""
        return max(0.0, self._again - self._committer.age())

    def settle(self, batch: Iterable[OutboxItem], arrived: Iterable[Position]) -> int:
        """After a batch: what arrived durably goes, the rest waits. Where nothing arrived the whole outbox rests.

        Items left over of a batch of which others arrived rest one by one, so that one that the receiver refuses for
        ever does not hold up all the others.
        """
        with self._guard:
            good = set(arrived)
            sent = [item.position for item in batch]
            left = [position for position in sent if position not in good]
            gone = self.acknowledge([position for position in sent if position in good], durable=True)
            if gone:
                self._refuse(left)
            else:
                self.release(left)
            return gone

    def set_aside(self, items: Iterable[OutboxItem], refused: Mapping[Position, str]) -> None:
        """Items that the receiver will never take stay in the store and are not sent again; the others are, at once.

        It is durable with the store's next commit; a health event tells it, with the receiver's reason.
        """
        with self._guard:
            batch = list(items)
            rejected = [item for item in batch if item.position in refused]
            self.release([item.position for item in batch if item.position not in refused], failed=False)
            for item in rejected:
                position = (item.priority + ASIDE, item.priority, *item.position)
                write = Write(0, "", _PUT_ASIDE, position, 0, partial(self._gone, item.position))
                self._committer.pending.add(write, self._committer.age())
            self._append_events([
                Event(kind="health", label=REFUSED_BY_FLEET, detail={
                    "items": 1, "reason": refused[item.position][:_REASON],
                    "place": list(item.position), "bytes": len(item.body),
                })
                for item in rejected
            ])  # fmt: skip

    def _forget(self, position: Position, priority: int | None) -> None:
        """Queue the going of an item that arrived; of one whose priority nobody remembers, at every priority."""
        self._leaving.add(position)
        for rank in (priority,) if priority is not None else range(LOWEST_PRIORITY + 1):
            self._committer.pending.add(
                Write(-1, "", "", (rank, *position), 0, partial(self._gone, position)), self._committer.age()
            )

    def _gone(self, position: Position) -> None:
        """Remember nothing of an item that has left the table."""
        self._leaving.discard(position)
        self._away.pop(position, None)

    def _refuse(self, places: Iterable[Position]) -> None:
        now = self._committer.age()
        for position in places:
            self._away.pop(position, None)
            tries = self._refused.pop(position, (0, 0.0))[0] + 1
            self._refused[position] = (tries, now + _wait(tries))
        while len(self._refused) > _REMEMBERED:
            self._refused.pop(next(iter(self._refused)))

    def _ready(self, position: Position, expires: float | None, now: float) -> bool:
        if position in self._away or position in self._leaving:
            return False
        return now >= self._refused.get(position, (0, 0.0))[1] and (expires is None or expires > now)

    def _leave(self, batch: list[OutboxItem]) -> list[OutboxItem]:
        self._away.update({item.position: item.priority for item in batch})
        return batch


def _wait(failures: int) -> float:
    # Full jitter, so that a fleet that lost its broker does not come back in one moment.
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 20))
    return longest * (0.5 + 0.5 * random.random())  # noqa: S311 - no secret
