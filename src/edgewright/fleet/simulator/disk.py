"""A device's disk in memory: committed data survives a power cut, other data is lost."""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from edgewright.fleet.device.device_state import DeviceState, Link
from edgewright.fleet.device.package_slots import NAMES
from edgewright.fleet.device.state_database import OUTCOMES, State
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Outcome


class PowerCut(BaseException):
    """A power cut during a write. It is not an Exception, so no part of the agent handles it as an error."""


class Disk:
    """The durable part of a device.

    Attributes:
        kept: rows of the agent's database, by key.
        told: outcomes in the agent's database, by number.
        slots: release in each slot.
        floors: copy of the floor in each slot.
        digests: SHA-256 of the actual bytes in each slot.
        parts: bytes of unfinished downloads, which are not durable.
        verified: state of the metadata that the device has verified, see `verification_cache.Verifier`.
        ran: seconds that each package has run, by its hash.
        cut: called before and after every durable write; it may raise `PowerCut`. None for no power cuts.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.told: dict[int, Any] = {}
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
        self.held = disk.kept.get("held") or DeviceState()
        self.link = disk.kept.get("link") or Link()
        self._outcomes = [disk.told[number] for number in sorted(disk.told)][: 2 * OUTCOMES]

    def change(self, outcomes: Sequence[Outcome] = (), **fields: Any) -> DeviceState:  # noqa: ANN401 - of `DeviceState`
        """Change the state like `State.change` and pass the outcomes to `watch`."""
        before = self.held.outcome
        held = super().change(outcomes, **fields)
        for number, one in enumerate(outcomes, start=before + 1):
            self._watch(msgspec.structs.replace(one, number=number))
        return held

    def _write(self, values: dict[str, Any], outcomes: Sequence[Outcome], gone: set[int]) -> None:
        with self._disk.write():
            self._disk.kept.update(values)
            self._disk.told.update({one.number: one for one in outcomes})
            for number in gone:
                self._disk.told.pop(number, None)


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
