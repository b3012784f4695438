"""Who the device is, how often it has started, and floors that never sink: kept apart, never set aside.

A store may be damaged, set aside and begun anew. Were boot counter and floors in it, numbers would be given twice and
an older package could come back. They have a file of their own with a rollback journal (`synchronous=EXTRA`), which
is written a few times a boot.
"""

from __future__ import annotations

import os
from pathlib import Path

from edgewright.runtime.store import disk
from edgewright.runtime.store.database import Connect, Database, connect, trouble
from edgewright.schema.errors import InputError, OutputError

IDENTITY_FILE = "identity.sqlite"
_VERSION = 1
_FLOOR = "floor."
_BY_HAND = (
    "Move the whole folder away and start with an empty one under another `device` name: docs/device.md, "
    "'Damage that is mended by hand'"
)


class Identity:
    """The open file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values: dict[str, str] = dict(database.execute("SELECT key, value FROM identity"))

    @classmethod
    def open(cls, folder: Path, device: str = "", opener: Connect = connect, writable: bool = True) -> Identity:
        """Opens the file, or makes it with this name of a device (a random one when empty).

        Raises:
            InputError: the folder belongs to another device, or the file is of a newer version.
            OutputError: the file cannot be read; it is left as it is.
        """
        path = folder / IDENTITY_FILE
        if writable and not path.exists():
            _make(path, device or f"edge-{os.urandom(8).hex()}", opener)
        try:
            database = Database(path, opener, writable)
            if writable:
                database.execute("PRAGMA journal_mode=DELETE")
                database.execute("PRAGMA synchronous=EXTRA")
            version = int(database.value("PRAGMA user_version"))
            if version > _VERSION:
                raise InputError(f"an identity of version {_VERSION} or older", f"version {version}", str(path),
                                 "Update Edgewright on this device")  # fmt: skip
            found = cls(database)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise OutputError(
                "the identity of this device", f"{trouble(error)}: {error}", str(path),
                "It is left as it is, and none is made in its place: names of items would be given twice, and older "
                f"packages could come back. {_BY_HAND}",
            ) from error  # fmt: skip
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

    @property
    def floors(self) -> dict[str, int]:
        """All floors by name."""
        return {key.removeprefix(_FLOOR): int(v) for key, v in self._values.items() if key.startswith(_FLOOR)}

    def begin(self) -> int:
        """Counts a boot, durably, before anything is numbered; gives its number."""
        self._write({"boot": str(self.boot + 1), "closed": "0"})
        return self.boot

    def end(self) -> None:
        """Notes that this boot ended in order."""
        self._write({"closed": "1"})

    def raise_floor(self, name: str, value: int) -> int:
        """Raises a floor durably; one that is higher stays. Gives the floor."""
        if value > self.floors.get(name, value - 1):
            self._write({_FLOOR + name: str(value)})
        return self.floors[name]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _write(self, values: dict[str, str]) -> None:
        with self._database.transaction():
            for key, value in values.items():
                self._database.execute("INSERT OR REPLACE INTO identity(key, value) VALUES (?, ?)", (key, value))
        self._values.update(values)


def _make(path: Path, device: str, opener: Connect) -> None:
    temporary = path.with_name(f"{path.name}.new")
    for leftover in (temporary, temporary.with_name(f"{temporary.name}-journal")):
        disk.remove(leftover)
    database = Database(temporary, opener)
    database.execute("PRAGMA synchronous=EXTRA")
    with database.transaction():
        database.execute("CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        database.execute("INSERT INTO identity(key, value) VALUES ('device', ?), ('boot', '0')", (device,))
        database.execute(f"PRAGMA user_version={_VERSION}")
    database.close()
    disk.rename(temporary, path)
    disk.sync_folder(path.parent)
