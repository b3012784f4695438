"""The folder of a fleet: settings, paths, and a lock for one writer at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from edgewright.core.files import PRIVATE, open_private, write_atomic
from edgewright.core.read_only_database import ChangedError, connect_read_only, read_unchanged
from edgewright.fleet.protocol.file_lock import lock_within
from edgewright.fleet.protocol.keys.files import Ring
from edgewright.fleet.protocol.layout import OFFLINE
from edgewright.schema.errors import InputError, OutputError, UnknownNameError
from edgewright.schema.fleet_folder import FOLDER_VERSION, FleetSettings

SETTINGS = "fleet.toml"
DATABASE, ADDRESS = "fleet.sqlite", "database.url"
"""The control plane's database, or a file with the address of another database."""
_WAIT = 30.0


class Fleet:
    """The folder of a fleet, as `fleet init` creates it.

    Attributes:
        metadata: signed files that web servers serve under `/metadata`.
        targets: packages, plans and standings, served under `/targets`.
        offline: keys to store away from this machine.
        online: keys of the control plane.
        incoming: signed changes that the control plane has not published yet.
    """

    def __init__(self, folder: Path, settings: FleetSettings) -> None:
        self.folder, self.settings = folder, settings
        self.metadata, self.targets = folder / "public" / "metadata", folder / "public" / "targets"
        self.offline, self.online = folder / "keys" / "offline", folder / "keys" / "online"
        self.incoming = folder / "incoming"

    def managed(self) -> bool:
        """Return whether a control plane publishes for this fleet: then no other process may assign versions.

        A server registers with its first step, before it answers: it copies the signed files into the database
        (`fleet.server.publishing.restore.begin`), and publishes from there until the database is moved away. A database
        without signed files is one in which nothing was published, such as after `fleet token new`.
        """
        path = self.folder / DATABASE
        if (self.folder / ADDRESS).exists() or not path.exists():
            return (self.folder / ADDRESS).exists()

        def is_registered() -> bool:
            with closing(connect_read_only(path)) as connection:
                return connection.execute("SELECT 1 FROM signed LIMIT 1").fetchone() is not None

        try:
            return read_unchanged(path, is_registered)
        except ChangedError:  # a server is at work
            return True
        except sqlite3.Error as error:
            return "no such table" not in str(error)  # a damaged database may publish

    def away(self, role: str) -> bool:
        """Return whether the keys of a role are kept offline; in a repository for USB sticks all are."""
        return role in OFFLINE or self.settings.stick

    def ring(self, folders: tuple[Path, ...] = (), passphrases: tuple[bytes, ...] = ()) -> Ring:
        """Return the available keys: those in `folders`, then those in the fleet's own folders."""
        own = [folder for folder in (self.offline, self.online) if folder.is_dir()]
        return Ring([*folders, *own], passphrases, self.settings.signers)

    def product(self, name: str | None) -> str:
        """Return a product by name; without a name, the fleet's only product.

        Raises:
            InputError: the product does not exist, or no name was given and there are several products.
        """
        products = self.settings.products
        if name is None and len(products) > 1:
            raise InputError("a product", "none", "--product", f"Choose one of {', '.join(products)}")
        if name is not None and name not in products:
            raise UnknownNameError("product", name, products, str(self.folder / SETTINGS))
        return name or products[0]


class _Format(msgspec.Struct):
    format: int


def open_fleet(folder: Path) -> Fleet:
    """Open the fleet in a folder.

    Raises:
        InputError: the folder contains no fleet, or one from a newer Edgewright.
    """
    path = folder / SETTINGS
    do = "Make one with `edgewright fleet init DIR`, or name its folder"
    if not folder.is_dir():
        raise InputError("the folder of a fleet", "a file" if folder.exists() else "nothing", str(folder), do)
    try:
        data = path.read_bytes()
        format_number = msgspec.toml.decode(data, type=_Format).format
        if format_number > FOLDER_VERSION:
            text = f"Format {format_number} is newer than this Edgewright reads ({FOLDER_VERSION}): upgrade"
            raise InputError(f"a fleet of format {FOLDER_VERSION} or older", str(format_number), str(path), text)
        return Fleet(folder, msgspec.toml.decode(data, type=FleetSettings))
    except FileNotFoundError:
        raise InputError("the folder of a fleet", f"a folder without {SETTINGS}", str(folder), do) from None
    except OSError as error:
        raise InputError(f"a readable {SETTINGS}", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("settings of a fleet", str(error), str(path)) from None


def write_settings(folder: Path, settings: FleetSettings) -> None:
    """Write `fleet.toml`.

    Raises:
        OutputError: the file cannot be written.
    """
    products = ", ".join(json.dumps(name) for name in settings.products)
    lines = [
        "# A fleet of Edgewright. Who may sign what is in public/metadata, not here.",
        f"format = {settings.format}",
        f"name = {json.dumps(settings.name)}",
        f"products = [{products}]",
        f"address = {json.dumps(settings.address)}",
        f"stick = {json.dumps(settings.stick)}",
    ]
    if settings.signers:
        lines += ["", "[signers]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in settings.signers.items())]
    write_atomic(folder / SETTINGS, ("\n".join(lines) + "\n").encode(), PRIVATE)


@contextmanager
def locked(fleet: Fleet) -> Iterator[None]:
    """Lock the folder for one writer; others wait.

    Raises:
        InputError: another process held the lock for too long.
        OutputError: the folder cannot be written.
    """
    try:
        handle = open_private(fleet.folder / ".lock", "a")
    except OSError as error:
        do = "Make it writable for you"
        raise OutputError("a folder that can be written", error.strerror or str(error), str(fleet.folder), do) from None
    with handle:
        if not lock_within(handle, _WAIT):
            raise InputError("a fleet that is not in use", "one in use by another process", str(fleet.folder))
        yield
