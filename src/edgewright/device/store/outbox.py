"""What may leave, in the order in which it leaves; an item goes only after an acknowledgement says 'durable'."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from edgewright.device.store import entries
from edgewright.device.store.entries import AllowList, Write
from edgewright.device.store.group_commit import Committer, NewItem
from edgewright.schema.device import Event
from edgewright.schema.errors import InputError
from edgewright.schema.store import ASIDE, LOWEST_PRIORITY, OutboxItem, Position

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
            raise InputError(f"a priority from 0 to {LOWEST_PRIORITY}", str(priority), f"an item of kind {kind!r}")
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
