"""The bounded outbox of a simulated device, with alarms first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from edgewright.fleet.device.reports import Outbox
from edgewright.fleet.protocol.ports import Clock
from edgewright.schema.store import Item

EVERY, ALARMS = 600.0, 12
"""Seconds between two items, and the interval of alarms: every twelfth item is one."""
HOLDS = 30
"""Capacity in items; when it is full, the oldest item that is not an alarm is dropped, as in a device's store."""
_ALARM, _ROWS = {"kind": "alarm", "label": "worn", "priority": 0}, {"rows": 600, "priority": 3}
Place = tuple[int, int]


class SimulatedOutbox(Outbox):
    """A simulated outbox whose items are created by the passing of time.

    Attributes:
        settled: (boot, sequence) of items that the control plane has acknowledged.
        dropped: number of dropped items.
        until: end of an outage in monotonic seconds, since the wall clock may be wrong; infinite for none.
        drained: times at which the last alarm, and the last item, from before `until` was settled.
    """

    def __init__(self, device: str, clock: Clock) -> None:
        self._device, self._clock, self._since, self._made = device, clock, clock.monotonic(), 0
        self._waiting: dict[Place, tuple[Item, msgspec.Raw]] = {}
        self.settled: set[Place] = set()
        self.dropped = 0
        self.until = math.inf
        self.drained: list[float | None] = [None, None]

    @property
    def waiting(self) -> int:
        """Number of waiting items."""
        self._fill()
        return len(self._waiting)

    def urgent(self) -> bool:
        """Return whether an alarm waits."""
        self._fill()
        return any(one.kind == "event" for one, _ in self._waiting.values())

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the waiting items, alarms first, each group from old to new."""
        self._fill()
        ordered = sorted(self._waiting.values(), key=lambda one: (one[0].kind != "event", one[0].sequence))
        return [encoded for _, encoded in ordered]

    def settle(self, durable: Sequence[Place]) -> None:
        """Remove items that are durable in the control plane."""
        for one in durable:
            if self._waiting.pop(one, None) is not None:
                self.settled.add(one)
        now = self._clock.monotonic()
        if now < self.until or self.drained[1] is not None:
            return
        left = [one.kind for one, _ in self._waiting.values() if self._since + one.sequence * EVERY < self.until]
        for index, over in enumerate(("event" not in left, not left)):
            if over and self.drained[index] is None:
                self.drained[index] = now

    def _fill(self) -> None:
        due = int((self._clock.monotonic() - self._since) / EVERY)
        while self._made < due:
            self._made += 1
            alarm = self._made % ALARMS == 0
            body: dict[str, Any] = dict(_ALARM if alarm else _ROWS)
            put = self._clock.wall() - (due - self._made) * EVERY
            kind = "event" if alarm else "rows"
            item = Item(device=self._device, boot=1, sequence=self._made, kind=kind, put=put, body=body)
            self._waiting[1, self._made] = item, msgspec.Raw(msgspec.json.encode(item))
            if len(self._waiting) > HOLDS:
                first = min(self._waiting, key=lambda place: (self._waiting[place][0].kind == "event", place))
                del self._waiting[first]
                self.dropped += 1
