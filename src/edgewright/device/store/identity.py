"""Who the device is and how often it has started: kept apart, in two copies.

A store may be damaged, set aside and started over. Were the boot counter in it, numbers would be given twice. It has a
file of its own with a second copy, which is written a few times a boot. Where both are damaged, boots go on from a
random number far above, so that no name of an item repeats. What guards against older packages is kept apart, too:
with the fleet's agent (`fleet/device/state_database.py`).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from edgewright.core.errors import StoreDamagedError
from edgewright.device.store.database import Connect, Database, connect
from edgewright.device.store.guarded_database import DAMAGED, LostError, open_guarded, start_over
from edgewright.device.store.tables import STORE_FILE

IDENTITY_FILE = "identity.sqlite"
_VERSION = 1
_PUT = "INSERT OR REPLACE INTO identity(key, value) VALUES (?, ?)"
_SUBJECT = "the identity of this device"
_DO = "Start `edgewright device run`, which repairs it"
_FAR = 1 << 40


class Identity:
    """The open file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._values: dict[str, str] = dict(database.execute("SELECT key, value FROM identity"))

    @classmethod
    def open(cls, folder: Path, device: str = "", opener: Connect = connect, writable: bool = True) -> Identity:
        """Open the file, or create it with this name of a device (a random one when empty).

        Raises:
            InputError: the folder belongs to another device, or the file is of a newer version.
            OutputError: the file cannot be read or written; it is left as it is.
        """
        try:
            identity = cls._opened(folder, device, opener, writable)
        except LostError:
            if not writable:
                raise
            start_over(folder / IDENTITY_FILE, _SUBJECT)
            identity = cls._opened(folder, device, opener, writable)
        if device and device != identity.device:
            raise StoreDamagedError(f"the store of device {device!r}", f"that of {identity.device!r}", str(folder))
        return identity

    @classmethod
    def _opened(cls, folder: Path, device: str, opener: Connect, writable: bool) -> Identity:
        # Where it is lost and a store is there, nobody knows how often this device has started: items get boot numbers
        # that none had before.
        lost = any((folder / name).exists() for name in (STORE_FILE, f"{IDENTITY_FILE}{DAMAGED}"))
        boot = _FAR + secrets.randbelow(_FAR) if lost else 0
        rows = ("device", device or f"edge-{os.urandom(8).hex()}"), ("boot", str(boot))
        statements = ("CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",)
        return cls(
            open_guarded(
                folder / IDENTITY_FILE, _VERSION, statements, _SUBJECT, _DO, opener=opener, writable=writable,
                rows=[(_PUT, row) for row in rows], tables=("identity",), check=lambda database: cls(database).boot,
            )
        )  # fmt: skip

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
