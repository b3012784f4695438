"""A device's disk in memory: what was committed stays through a power cut, what was not is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewright.device.store.database import Database
from edgewright.fleet.device.package_slots import NAMES
from edgewright.fleet.device.state_database import OUTCOMES, State
from edgewright.fleet.device.state_values import Held, Link
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Outcome


class PowerCut(BaseException):
    """The power went in the middle of a write. No part of the agent may take it for an error."""


class Disk:
    """The durable part of a device.

    Args:
        written: the agent's small database is kept as the very text that a device writes; otherwise as what it means.

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

    __slots__ = (
        "__weakref__",
        "cut",
        "digests",
        "floors",
        "kept",
        "parts",
        "ran",
        "slots",
        "told",
        "verified",
        "written",
    )  # fmt: skip

    def __init__(self, written: bool = True) -> None:
        self.written = written
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


class DiskDatabase(Database):
    """The file of `fleet.device.state_database.State` without SQLite: its statements, in memory, in transactions.

    A database a device would take some 100 kB; this takes what is in it. A statement that it does not know is an error,
    so that it cannot fall behind the state's own.
    """

    def __init__(self, disk: Disk) -> None:
        self.path = Path("update.sqlite")
        self._disk = disk
        self._waiting: list[tuple[str, Sequence[Any]]] | None = None

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One of the statements of `State`."""
        if sql.startswith("SELECT key, value FROM kept"):
            return list(self._disk.kept.items())
        if sql.startswith("SELECT value FROM outcomes"):
            return [(self._disk.told[number],) for number in sorted(self._disk.told)][: int(arguments[0])]
        if self._waiting is None or not sql.startswith(("INSERT", "DELETE FROM outcomes WHERE number")):
            raise NotImplementedError(sql)
        self._waiting.append((sql, arguments))
        return []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._waiting = []
        try:
            yield
            with self._disk.write():
                self._commit(self._waiting)
        finally:
            self._waiting = None

    def close(self) -> None:
        """Nothing is open."""

    def _commit(self, waiting: list[tuple[str, Sequence[Any]]]) -> None:
        for sql, arguments in waiting:
            if sql.startswith("INSERT OR REPLACE INTO kept"):
                self._disk.kept[arguments[0]] = arguments[1]
            elif sql.startswith("INSERT INTO outcomes"):
                self._disk.told[arguments[0]] = arguments[1]
            elif sql.startswith("DELETE FROM outcomes"):
                self._disk.told.pop(arguments[0], None)
            else:
                raise NotImplementedError(sql)


class KeptState(State):
    """`State` over a disk that keeps values instead of their text.

    What is held is frozen, so that reading the text again gives what was written; making and reading it for a hundred
    thousand devices would say nothing more. Every decision of `State` is its own; only where it writes is another.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk, self.new = disk, False
        self._database = DiskDatabase(disk)
        self._held = disk.kept.get("held") or Held()
        self._link = disk.kept.get("link") or Link()
        self._outcomes = [disk.told[number] for number in sorted(disk.told)][: 2 * OUTCOMES]

    def _write(self, values: dict[str, Any], told: Sequence[Outcome], gone: set[int]) -> None:
        disk = self._disk
        if disk.cut is not None:
            disk.cut()
        disk.kept.update(values)
        for one in told:
            disk.told[one.number] = one
        for number in gone:
            disk.told.pop(number, None)
        if disk.cut is not None:
            disk.cut()


class DiskSlots:
    """As `fleet.device.ports.Slots`. Bytes of a finished package are not kept, only that they were the right ones."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def size(self, slot: str) -> int:
        """Bytes of a download so far."""
        return len(self._disk.parts.get(slot, b""))

    def write(self, slot: str, offset: int, data: bytes) -> None:
        """Appends to a download; not durable yet."""
        self._disk.parts[slot] = self._disk.parts.get(slot, b"")[:offset] + data

    def finish(self, slot: str, release: Release, floor: int) -> bool:
        """Checks length and hash and makes the slot durable."""
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
        """A package that came with the device."""
        disk = self._disk
        disk.slots[slot], disk.digests[slot], disk.floors[slot] = release, release.sha256, floor

    def holds(self, slot: str) -> Release | None:
        """The release of a finished slot."""
        return self._disk.slots[slot]

    def floor(self, slot: str) -> int:
        """The floor kept there."""
        return self._disk.floors[slot]

    def raise_floor(self, floor: int) -> None:
        """Copies a floor into both slots."""
        for slot in NAMES:
            if self._disk.floors[slot] < floor:
                with self._disk.write():
                    self._disk.floors[slot] = floor
