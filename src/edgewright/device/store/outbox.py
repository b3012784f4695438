"""What may leave, in the order in which it leaves; an item goes only after an acknowledgement says 'durable'."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edgewright.device.store.commit_queue import Write
from edgewright.schema.device import Event
from edgewright.schema.errors import InputError
from edgewright.schema.store import ASIDE, LOWEST_PRIORITY, Item

if TYPE_CHECKING:
    from edgewright.device.store.store import Store

Place = tuple[int, int]
"""(boot, sequence): with the device's name an item's own name for ever."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 120.0
"""Seconds after a failure, doubling, and at most: so soon after an outage every device has begun to send."""
# Items that were refused while others were taken are remembered, the oldest forgotten first: memory is bounded.
_REMEMBERED = 2048
REFUSED_BY_FLEET = "refused by the fleet"
"""Label of the health event of an item that was set aside."""
_REASON = 240
_PUT_ASIDE = "UPDATE OR REPLACE outbox SET priority = ? WHERE priority = ? AND boot = ? AND sequence = ?"


class Taken(NamedTuple):
    """An item on its way: its place, its priority, and its bytes as they leave (JSON of `schema.store.Item`)."""

    place: Place
    priority: int
    body: bytes


class Outbox:
    """The queue of one store. What was taken and neither acknowledged nor released is on its way, not taken twice.

    What is on its way is known in memory only. After a power cut it is sent again; the receiver knows it by its name.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._away: dict[Place, int] = {}
        self._refused: dict[Place, tuple[int, float]] = {}
        self._failures = 0
        self._again = 0.0

    def put(self, kind: str, body: Mapping[str, Any], priority: int, expires: float | None = None) -> int:
        """Queues an item; durable with the store's next commit. Keys that are not allowed to leave are left out.

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
        return self._store.queue(kind, self._store.gate.body(body), priority, expires)

    def take(self, limit: int = 64 << 10, items: int = 256) -> list[Taken]:
        """The next items, the most urgent first and the oldest first among equals; they are on their way from now.

        Args:
            limit: bytes together; one item always fits.
            items: at most so many.

        Returns:
            Nothing while the outbox is empty or rests after a failure.
        """
        store = self._store
        with store.guard():
            now = store.age()
            if now < self._again:
                return []
            found: list[Taken] = []
            total = 0
            after = (-1, -1, -1)
            while len(found) < items:
                rows = store.database.execute(
                    "SELECT priority, boot, sequence, expires, body FROM outbox WHERE (priority, boot, sequence) > "
                    "(?, ?, ?) AND priority <= ? ORDER BY priority, boot, sequence LIMIT 64",
                    (*after, LOWEST_PRIORITY),
                )
                for priority, boot, sequence, expires, body in rows:
                    after = (priority, boot, sequence)
                    if not self._ready((boot, sequence), expires, now):
                        continue
                    total += len(body)
                    if found and (total > limit or len(found) >= items):
                        return self._leave(found)
                    found.append(Taken((boot, sequence), priority, bytes(body)))
                if not rows:
                    break
            return self._leave(found)

    def acknowledge(self, places: Iterable[Place], durable: bool) -> int:
        """Items that arrived. They go when the receiver said that they are durable there, else they are sent again.

        Their going is durable with the store's next commit; until then a power cut brings them back.
        """
        with self._store.guard():
            known = list(places)
            if not durable:
                self.release(known)
                return 0
            for place in known:
                self._refused.pop(place, None)
                self._store.forget(place, self._away.get(place))
            if known:
                self._failures, self._again = 0, 0.0
            return len(known)

    def release(self, places: Iterable[Place], failed: bool = True) -> None:
        """Items that did not arrive are taken again: after a while that grows with every failure.

        Args:
            places: of the items.
            failed: False where nobody is to blame: they are taken again at once.
        """
        with self._store.guard():
            now = self._store.age()
            released = [place for place in places if self._away.pop(place, None) is not None]
            if failed and released:
                self._failures += 1
                self._again = now + _wait(self._failures)

    def rest(self) -> float:
        """Seconds until something may be taken again."""
        return max(0.0, self._again - self._store.age())

    def settle(self, taken: Iterable[Taken], arrived: Iterable[Place]) -> int:
        """After a batch: what arrived durably goes, the rest waits. Where nothing arrived the whole outbox rests.

        Items left over of a batch of which others arrived rest one by one, so that one that the receiver refuses for
        ever does not hold up all the others.
        """
        with self._store.guard():
            good = set(arrived)
            sent = [item.place for item in taken]
            left = [place for place in sent if place not in good]
            gone = self.acknowledge([place for place in sent if place in good], durable=True)
            if gone:
                self._refuse(left)
            else:
                self.release(left)
            return gone

    def set_aside(self, taken: Iterable[Taken], refused: Mapping[Place, str]) -> None:
        """Items that the receiver will never take stay in the store and are not sent again; the others are, at once.

        It is durable with the store's next commit; a health event tells it, with the receiver's reason.
        """
        with self._store.guard():
            batch = list(taken)
            found = [item for item in batch if item.place in refused]
            self.release([item.place for item in batch if item.place not in refused], failed=False)
            for item in found:
                place = (item.priority + ASIDE, item.priority, *item.place)
                write = Write(0, "", _PUT_ASIDE, place, 0, partial(self.gone, item.place))
                self._store.committer.pending.add(write, self._store.age())
            self._store.append_events([
                Event(kind="health", label=REFUSED_BY_FLEET, detail={
                    "items": 1, "reason": refused[item.place][:_REASON],
                    "place": list(item.place), "bytes": len(item.body),
                })
                for item in found
            ])  # fmt: skip

    def gone(self, place: Place) -> None:
        """The item has left the table: nothing is remembered of it."""
        self._away.pop(place, None)

    def _refuse(self, places: Iterable[Place]) -> None:
        now = self._store.age()
        for place in places:
            self._away.pop(place, None)
            tries = self._refused.pop(place, (0, 0.0))[0] + 1
            self._refused[place] = (tries, now + _wait(tries))
        while len(self._refused) > _REMEMBERED:
            self._refused.pop(next(iter(self._refused)))

    def _ready(self, place: Place, expires: float | None, now: float) -> bool:
        if place in self._away or self._store.leaves(place):
            return False
        return now >= self._refused.get(place, (0, 0.0))[1] and (expires is None or expires > now)

    def _leave(self, found: list[Taken]) -> list[Taken]:
        self._away.update({item.place: item.priority for item in found})
        return found


def encode(item: Item) -> bytes:
    """An item as it leaves."""
    return msgspec.json.encode(item)


def _wait(failures: int) -> float:
    # Full jitter, so that a fleet that lost its broker does not come back in one moment.
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 20))
    return longest * (0.5 + 0.5 * random.random())  # noqa: S311 - no secret
