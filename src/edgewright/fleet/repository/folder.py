"""The folder of a fleet: settings, paths, and a lock for one writer at a time."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import MetaFile

from edgewright.core.errors import (
    FleetInUseError,
    FleetMissingError,
    FormatNewerError,
    InputError,
    OutputError,
    ProductUnknownError,
    UnknownNameError,
)
from edgewright.core.files import PRIVATE, open_private, os_errors, sync, write_atomic
from edgewright.core.read_only_database import ChangedError, connect_read_only, read_unchanged
from edgewright.fleet.protocol.keys import Ring
from edgewright.fleet.protocol.layout import (
    FOLDER_VERSION,
    INDEX,
    OFFLINE,
    ROOT,
    SNAPSHOT,
    TIMESTAMP,
    FleetSettings,
    lock_within,
)
from edgewright.fleet.repository import metadata

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
        (`fleet.server.restore.begin`), and publishes from there until the database is moved away. A database
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
            raise ProductUnknownError("a product", "none", "--product", f"Choose one of {', '.join(products)}")
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
        raise FleetMissingError("the folder of a fleet", "a file" if folder.exists() else "nothing", str(folder), do)
    try:
        data = path.read_bytes()
        format_number = msgspec.toml.decode(data, type=_Format).format
        if format_number > FOLDER_VERSION:
            text = f"Format {format_number} is newer than this Edgewright reads ({FOLDER_VERSION}): upgrade"
            raise FormatNewerError(f"a fleet of format {FOLDER_VERSION} or older", str(format_number), str(path), text)
        return Fleet(folder, msgspec.toml.decode(data, type=FleetSettings))
    except FileNotFoundError:
        raise FleetMissingError("the folder of a fleet", f"a folder without {SETTINGS}", str(folder), do) from None
    except OSError as error:
        raise FleetMissingError(f"a readable {SETTINGS}", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FleetMissingError("settings of a fleet", str(error), str(path)) from None


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
            raise FleetInUseError("a fleet that is not in use", "one in use by another process", str(fleet.folder))
        yield


def read_published(fleet: Fleet) -> dict[str, bytes]:
    """Read the metadata by role as a device finds it now: the newest root, and the files that the timestamp names.

    Raises:
        InputError: a file is missing or differs from the signed one.
    """
    role_files: dict[str, bytes] = {}
    versions = root_versions(fleet)
    if not versions:
        raise FleetMissingError(
            "signed metadata", "none", str(fleet.metadata), "Make the fleet with `edgewright fleet init`"
        )
    role_files[ROOT] = _read(fleet.metadata / f"{versions[-1]}.root.json")
    role_files[TIMESTAMP] = _read(fleet.metadata / "timestamp.json")
    named = metadata.read(role_files[TIMESTAMP], TIMESTAMP).signed.snapshot_meta
    role_files[SNAPSHOT] = _named(fleet, SNAPSHOT, named)
    for name, meta in metadata.read(role_files[SNAPSHOT], SNAPSHOT).signed.meta.items():
        role = name.removesuffix(".json")
        role_files[role] = _named(fleet, role, meta)
    return role_files


def root_versions(fleet: Fleet) -> list[int]:
    """Return the published versions of the root, ascending; all of them are kept permanently."""
    names = [path.name.split(".")[0] for path in fleet.metadata.glob("*.root.json")]
    return sorted(int(name) for name in names if name.isdigit())


def root_hash(fleet: Fleet) -> str:
    """Return the SHA-256 of the newest root's bytes, which enrolment tokens pin."""
    return metadata.sha256(_read(fleet.metadata / f"{root_versions(fleet)[-1]}.root.json"))


def read_target(fleet: Fleet, path: str, sha256: str) -> bytes:
    """Read the bytes of a target.

    Raises:
        InputError: the target is missing or altered.
    """
    file_path = fleet.targets / metadata.prefixed(path, sha256)
    data = _read(file_path)
    if metadata.sha256(data) != sha256:
        raise FleetMissingError(
            f"SHA-256 {sha256[:12]}...", "other bytes", str(file_path), "The file was changed or damaged"
        )
    return data


def read_index(fleet: Fleet, role_files: Mapping[str, bytes]) -> bytes | None:
    """Read the bytes of `rollouts/index.json`; None if there is none yet."""
    digest = metadata.index_hash(role_files)
    return read_target(fleet, INDEX, digest) if digest else None


def write_targets(fleet: Fleet, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write targets under names with their hashes; devices request them only after metadata names them.

    Returns:
        The paths with the hash before the name.

    Raises:
        OutputError: a file cannot be written.
    """
    written = []
    for path, data in files.items():
        name = metadata.prefixed(path, metadata.sha256(data))
        file_path = fleet.targets / name
        make_folder(file_path.parent)
        if not (file_path.is_file() and file_path.stat().st_size == len(data) and file_path.read_bytes() == data):
            write_atomic(file_path, data)
        written.append(name)
    return tuple(written)


def write_roles(fleet: Fleet, roles: Mapping[str, bytes]) -> None:
    """Write metadata so that a concurrent reader sees either the old or the new state.

    Raises:
        OutputError: a file cannot be written; devices still see the old state.
    """
    make_folder(fleet.metadata)
    for role in metadata.in_order(roles):
        data = roles[role]
        for name in metadata.file_names(role, int(metadata.read(data, role).signed.version)):
            write_again(fleet.metadata / name, data)


def write_again(path: Path, data: bytes) -> None:
    """Write a file that a web server may have served before, with a modification time that always increases.

    Web servers compute a file's ETag from its size and its modification time in whole seconds. Timestamps have equal
    sizes, so a device with the first of two versions from the same second would get "not modified" until a third one.
    Each version is therefore at least one second newer than the previous one.

    Raises:
        OutputError: the file cannot be written.
    """
    before = int(path.stat().st_mtime) if path.is_file() else 0
    write_atomic(path, data)
    if int(path.stat().st_mtime) <= before:
        os.utime(path, (before + 1, before + 1))


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder and its parents durably; otherwise a power cut could lose the folder together with its files.

    Raises:
        OutputError: the folder cannot be created.
    """
    with os_errors(OutputError, "a folder that can be written", folder):
        new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        for parent in reversed(new):
            sync(parent.parent)


def _named(fleet: Fleet, role: str, meta: MetaFile) -> bytes:
    path = fleet.metadata / f"{meta.version}.{role}.json"
    data = _read(path)
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as error:
        raise FleetMissingError(
            "the bytes that were signed", str(error), str(path), "Restore it from a backup"
        ) from None
    return data


def _read(path: Path) -> bytes:
    with os_errors(InputError, "a published file", path, "Restore it from a backup"):
        return path.read_bytes()
