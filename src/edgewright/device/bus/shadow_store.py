"""Shadows on the disk: a batch of changes is durable as a whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from edgewright.core.files import private_folder
from edgewright.device.bus.merge import Key, Part, Register, Shadow
from edgewright.device.store.database import Connect, connect
from edgewright.device.store.guarded_database import open_guarded
from edgewright.schema.errors import InputError

SHADOW_FILE = "shadows.sqlite"
_VERSION = 1
_TABLES = (
    "CREATE TABLE copy(origin TEXT)",
    "CREATE TABLE registers(device TEXT, part TEXT, name TEXT, counter INTEGER, origin TEXT, value BLOB, "
    "PRIMARY KEY(device, part, name)) WITHOUT ROWID",
)
_PUT = "INSERT OR REPLACE INTO registers VALUES (?, ?, ?, ?, ?, ?)"
_DO = "Move it away: the device reports again, and other copies give back what they know"


class ShadowStore:
    """The shadows of a gateway, in one SQLite file with a write-ahead log that is flushed at every commit.

    Args:
        folder: of the store; made where it is absent.
        opener: of databases.
        writable: without it nothing is made or changed.
        origin: name of this copy where the file is made; drawn by default.

    Attributes:
        origin: name of this copy in merges. A store that was lost gets another one, so that no counter is given twice.

    Raises:
        InputError: a file of a newer version, or none where nothing is made.
        OutputError: the file cannot be read or made.
    """

    def __init__(self, folder: Path, opener: Connect = connect, *, writable: bool = True, origin: str = "") -> None:
        if writable:
            private_folder(folder)
        elif not (folder / SHADOW_FILE).exists():
            raise InputError("a store of shadows", "none", str(folder), "edgewright bus run makes one")
        drawn = ("INSERT INTO copy VALUES (?)", (origin or os.urandom(6).hex(),))
        self._database = open_guarded(
            folder / SHADOW_FILE, _VERSION, _TABLES, "shadows", _DO, opener=opener, writable=writable, ahead=True,
            rows=[drawn],
        )  # fmt: skip
        self.origin = str(self._database.value("SELECT origin FROM copy"))

    def load(self) -> dict[str, Shadow]:
        """Return all shadows by device."""
        found: dict[str, dict[Key, Register]] = {}
        parts: dict[str, Part] = {name: name for name in get_args(Part)}
        for device, part, name, counter, origin, value in self._database.execute("SELECT * FROM registers"):
            found.setdefault(device, {})[parts[part], name] = Register(counter, origin, bytes(value))
        return {device: Shadow(registers) for device, registers in found.items()}

    def save(self, changed: Mapping[str, Mapping[Key, Register]]) -> None:
        """Make changed registers durable, all or none of them."""
        if not any(changed.values()):
            return
        with self._database.transaction():
            for device, registers in changed.items():
                for (part, name), one in registers.items():
                    self._database.execute(_PUT, (device, part, name, one.counter, one.origin, one.value))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
