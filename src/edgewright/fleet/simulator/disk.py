"""A device's disk and outbox in memory: committed data survives a power cut, other data is lost."""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from edgewright.core.records.fleet import Outcome, Release
from edgewright.device.store.records import Item
from edgewright.fleet.device.ports import NAMES
from edgewright.fleet.device.reports import Outbox
from edgewright.fleet.device.state_database import OUTCOMES, DeviceState, Link, State
from edgewright.fleet.protocol.layout import Clock


class PowerCut(BaseException):
    """A power cut during a write. It is not an Exception, so no part of the agent handles it as an error."""


class Disk:
    """The durable part of a device.

    Attributes:
        kept: rows of the agent's database, by key.
        outcomes: outcomes in the agent's database, by number.
        slots: release in each slot.
        floors: copy of the floor in each slot.
        digests: SHA-256 of the actual bytes in each slot.
        parts: bytes of unfinished downloads, which are not durable.
        verified: state of the metadata that the device has verified, see `device.Verifier`.
        ran: seconds that each package has run, by its hash.
        cut: called before and after every durable write; it may raise `PowerCut`. None for no power cuts.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.outcomes: dict[int, Any] = {}
        self.slots: dict[str, Release | None] = dict.fromkeys(NAMES)
        self.floors: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.digests: dict[str, str] = {}
        self.parts: dict[str, bytes] = {}
        self.verified = 0
        self.ran: dict[str, float] = {}
        self.cut: Callable[[], None] | None = None

    @contextmanager
    def write(self) -> Iterator[None]:
        """Provide one durable write; a power cut can happen just before or after it."""
        if self.cut is not None:
            self.cut()
        yield
        if self.cut is not None:
            self.cut()

    def lose(self, share: float) -> None:
        """Drop a part of the unflushed data after a power cut, keeping the given share."""
        self.parts = {slot: data[: int(len(data) * share)] for slot, data in self.parts.items()}


class KeptState(State):
    """A `State` that stores values instead of JSON on a simulated disk; all decisions are those of `State`.

    The values are frozen, so encoding and decoding them would have no effect.

    Args:
        disk: disk of the device.
        watch: called with each outcome after it is durable.
    """

    def __init__(self, disk: Disk, watch: Callable[[Outcome], None] = lambda _: None) -> None:
        self._disk, self._watch = disk, watch
        self.device_state = disk.kept.get("held") or DeviceState()
        self.link = disk.kept.get("link") or Link()
        self._outcomes = [disk.outcomes[number] for number in sorted(disk.outcomes)][: 2 * OUTCOMES]

    def change(self, outcomes: Sequence[Outcome] = (), **fields: Any) -> DeviceState:  # noqa: ANN401 - of `DeviceState`
        """Change the state like `State.change` and pass the outcomes to `watch`."""
        before = self.device_state.outcome
        current = super().change(outcomes, **fields)
        for number, outcome in enumerate(outcomes, start=before + 1):
            self._watch(msgspec.structs.replace(outcome, number=number))
        return current

    def _write(self, values: dict[str, Any], outcomes: Sequence[Outcome], gone: set[int]) -> None:
        with self._disk.write():
            self._disk.kept.update(values)
            self._disk.outcomes.update({outcome.number: outcome for outcome in outcomes})
            for number in gone:
                self._disk.outcomes.pop(number, None)


class DiskSlots:
    """Simulated slots (`fleet.device.ports.Slots`) that store the hash of a package instead of its bytes."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def size(self, slot: str) -> int:
        return len(self._disk.parts.get(slot, b""))

    def write(self, slot: str, offset: int, data: bytes) -> None:
        self._disk.parts[slot] = self._disk.parts.get(slot, b"")[:offset] + data

    def finish(self, slot: str, release: Release, floor: int) -> bool:
        part, disk = self._disk.parts.get(slot, b""), self._disk
        there = disk.slots[slot]
        digest = hashlib.sha256(part).hexdigest() if part else disk.digests.get(slot, "")
        length = len(part) if part else there.length if there else 0
        right = (digest, length) == (release.sha256, release.length)
        with disk.write():
            disk.parts.pop(slot, None)
            disk.slots[slot], disk.digests[slot] = (release, digest) if right else (None, "")
            disk.floors[slot] = max(floor, disk.floors[slot])
        return right

    def put(self, slot: str, release: Release, floor: int) -> None:
        """Install a package that came with the device."""
        disk = self._disk
        disk.slots[slot], disk.digests[slot], disk.floors[slot] = release, release.sha256, floor

    def holds(self, slot: str) -> Release | None:
        return self._disk.slots[slot]

    def floor(self, slot: str) -> int:
        return self._disk.floors[slot]

    def raise_floor(self, floor: int) -> None:
        for slot in NAMES:
            if self._disk.floors[slot] < floor:
                with self._disk.write():
                    self._disk.floors[slot] = floor


EVERY, ALARMS = 600.0, 12
"""Seconds between two items, and the interval of alarms: every twelfth item is one."""
HOLDS = 30
"""Capacity in items; when it is full, the oldest item that is not an alarm is dropped, as in a device's store."""
_ALARM, _ROWS = {"kind": "alarm", "label": "worn", "priority": 0}, {"rows": 600, "priority": 3}
Position = tuple[int, int]


class SimulatedOutbox(Outbox):
    """A simulated outbox whose items are created by the passing of time.

    Attributes:
        settled: (boot, sequence) of items that the control plane has acknowledged.
        dropped: number of dropped items.
        until: end of an outage in monotonic seconds, since the wall clock may be wrong; infinite for none.
        drained: times at which the last alarm, and the last item, from before `until` was settled.
    """

    def __init__(self, device: str, clock: Clock) -> None:
        self._device, self._clock, self._since, self._writes = device, clock, clock.monotonic(), 0
        self._waiting: dict[Position, tuple[Item, msgspec.Raw]] = {}
        self.settled: set[Position] = set()
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
        return any(item.kind == "event" for item, _ in self._waiting.values())

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the waiting items, alarms first, each group from old to new."""
        self._fill()
        ordered = sorted(self._waiting.values(), key=lambda entry: (entry[0].kind != "event", entry[0].sequence))
        return [encoded for _, encoded in ordered]

    def settle(self, durable: Sequence[Position]) -> None:
        """Remove items that are durable in the control plane."""
        for position in durable:
            if self._waiting.pop(position, None) is not None:
                self.settled.add(position)
        now = self._clock.monotonic()
        if now < self.until or self.drained[1] is not None:
            return
        left = [
            position.kind
            for position, _ in self._waiting.values()
            if self._since + position.sequence * EVERY < self.until
        ]
        for index, over in enumerate(("event" not in left, not left)):
            if over and self.drained[index] is None:
                self.drained[index] = now

    def _fill(self) -> None:
        due = int((self._clock.monotonic() - self._since) / EVERY)
        while self._writes < due:
            self._writes += 1
            alarm = self._writes % ALARMS == 0
            body: dict[str, Any] = dict(_ALARM if alarm else _ROWS)
            put = self._clock.wall() - (due - self._writes) * EVERY
            kind = "event" if alarm else "rows"
            item = Item(device=self._device, boot=1, sequence=self._writes, kind=kind, put=put, body=body)
            self._waiting[1, self._writes] = item, msgspec.Raw(msgspec.json.encode(item))
            if len(self._waiting) > HOLDS:
                first = min(self._waiting, key=lambda position: (self._waiting[position][0].kind == "event", position))
                del self._waiting[first]
                self.dropped += 1
