"""A device's disk in memory: what was committed stays through a power cut, what was not is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from edgewright.fleet.device.package_slots import NAMES
from edgewright.fleet.device.state_database import OUTCOMES, DeviceState, Link, State
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Outcome


class PowerCut(BaseException):
    """The power went in the middle of a write. No part of the agent may take it for an error."""


class Disk:
    """The durable part of a device.

    Attributes:
        kept: rows of the agent's small database, by key.
        told: its outcomes, by number.
        slots: what each slot holds: release and copy of the floor.
        digests: SHA-256 of the bytes that really are there.
        parts: bytes of downloads that are not finished; they are not durable.
        verified: which published metadata the device has verified, see `verified.Verifier`.
        ran: seconds that each package ran, by its hash.
        cut: asked before and after every durable write; it raises `PowerCut`. None: the power never goes.
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
        """One durable write: the power may go just before it, or just after."""
        if self.cut is not None:
            self.cut()
        yield
        if self.cut is not None:
            self.cut()

    def lose(self, share: float) -> None:
        """After a power cut a part of what was not flushed is gone."""
        self.parts = {slot: data[: int(len(data) * share)] for slot, data in self.parts.items()}


class KeptState(State):
    """`State` over a disk that keeps values instead of their text: every decision is that of `State`.

    What is held is frozen, so that reading its text again would give what was written.

    Args:
        disk: of the device.
        watch: called with each outcome once it is durable.
    """

    def __init__(self, disk: Disk, watch: Callable[[Outcome], None] = lambda _: None) -> None:
        self._disk, self._watch = disk, watch
        self.held = disk.kept.get("held") or DeviceState()
        self.link = disk.kept.get("link") or Link()
        self._outcomes = [disk.told[number] for number in sorted(disk.told)][: 2 * OUTCOMES]

    def change(self, outcomes: Sequence[Outcome] = (), **fields: Any) -> DeviceState:  # noqa: ANN401 - of `DeviceState`
        """Make a transition, as `State.change`, and report its outcomes to whoever watches."""
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
    """Simulated slots (`fleet.device.ports.Slots`): they remember that a package was right, not its bytes."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def size(self, slot: str) -> int:
        """Return bytes of a download so far."""
        return len(self._disk.parts.get(slot, b""))

    def write(self, slot: str, offset: int, data: bytes) -> None:
        """Append to a download; not durable yet."""
        self._disk.parts[slot] = self._disk.parts.get(slot, b"")[:offset] + data

    def finish(self, slot: str, release: Release, floor: int) -> bool:
        """Check length and hash and make the slot durable."""
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
        """Return the release of a finished slot."""
        return self._disk.slots[slot]

    def floor(self, slot: str) -> int:
        """Return the floor kept there."""
        return self._disk.floors[slot]

    def raise_floor(self, floor: int) -> None:
        """Copy a floor into both slots."""
        for slot in NAMES:
            if self._disk.floors[slot] < floor:
                with self._disk.write():
                    self._disk.floors[slot] = floor
