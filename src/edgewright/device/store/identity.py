"""Who the device is and how often it has started: kept apart, never set aside.

A store may be damaged, set aside and started over. Were the boot counter in it, numbers would be given twice. It has a
file of its own, which is written a few times a boot. What guards against older packages is kept apart, too: with the
fleet's agent (`fleet/device/state_database.py`).
"""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.device.store.database import Connect, Database, connect
from edgewright.device.store.guarded_database import open_guarded
from edgewright.schema.errors import InputError

IDENTITY_FILE = "identity.sqlite"
_VERSION = 1
_PUT = "INSERT OR REPLACE INTO identity(key, value) VALUES (?, ?)"
_DO = (
    "It is not replaced, because item names would repeat. Move the whole folder "
    "away and start with an empty one under another `device` name: docs/device.md, 'Damage that is mended by hand'"
)


class Identity:
    """The open file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values: dict[str, str] = dict(database.execute("SELECT key, value FROM identity"))

    @classmethod
    def open(cls, folder: Path, device: str = "", opener: Connect = connect, writable: bool = True) -> Identity:
        """Open the file, or makes it with this name of a device (a random one when empty).

        Raises:
            InputError: the folder belongs to another device, or the file is of a newer version.
            OutputError: the file cannot be read; it is left as it is.
        """
        made = ("device", device or f"edge-{os.urandom(8).hex()}"), ("boot", "0")
        statements = ("CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",)
        database = open_guarded(
            folder / IDENTITY_FILE, _VERSION, statements, "the identity of this device", _DO, opener=opener,
            writable=writable, rows=[(_PUT, row) for row in made],
        )  # fmt: skip
        found = cls(database)
        if device and device != found.device:
            raise InputError(f"the store of device {device!r}", f"that of {found.device!r}", str(folder))
        return found

    @property
    def device(self) -> str:
        """Name of the device."""
        return self._values.get("device", "")

    @property
    def boot(self) -> int:
        """How often the store was opened for writing."""
        return int(self._values.get("boot", "0"))

    @property
    def closed(self) -> bool:
        """Whether the last boot ended in order."""
        return self._values.get("closed", "1") == "1"

    def begin(self) -> int:
        """Count a boot, durably, before anything is numbered; give its number."""
        self._write({"boot": str(self.boot + 1), "closed": "0"})
        return self.boot

    def end(self) -> None:
        """Note that this boot ended in order."""
        self._write({"closed": "1"})

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _write(self, values: dict[str, str]) -> None:
        with self._database.transaction():
            for key, value in values.items():
                self._database.execute(_PUT, (key, value))
        self._values.update(values)
