"""Two package folders, `slots/a` and `slots/b`, each with a package, its label, and a copy of the floor."""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import PRIVATE, open_private, os_errors, private_folder, sync, write_atomic
from edgewright.device.store import file_operations
from edgewright.fleet.device.ports import Slot
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import Release

FOLDER = "slots"
NAMES: tuple[Slot, Slot] = ("a", "b")
PACKAGE, PART, LABEL = "package.edge", "package.part", "release.json"
FORMAT = 1
_BLOCK = 1 << 20


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `release.json`: describes the package next to it and stores the floor at the time of writing.

    Attributes:
        counter: counter of the release; 0 for a package that came with the device.
        sha256: hash of the package; empty if there is none.
    """

    format: int = FORMAT
    product: str = ""
    counter: int = 0
    target: str = ""
    sha256: str = ""
    length: int = 0
    package: str = ""
    floor: int = 0


class FolderSlots:
    """The slots in a store's folder; every write except parts of downloads is durable when its function returns.

    Raises:
        OutputError: the folders cannot be created.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store / FOLDER
        with _slot_errors(self._folder):
            for name in NAMES:
                if not (self._folder / name).is_dir():
                    private_folder(self._folder)
                    private_folder(self._folder / name)
                    file_operations.sync_folder(self._folder)
                    file_operations.sync_folder(store)

    def path(self, slot: Slot) -> Path:
        """Return the path of the package in a slot."""
        return self._folder / slot / PACKAGE

    def size(self, slot: Slot) -> int:
        return file_operations.size(self._folder / slot / PART)

    def write(self, slot: Slot, offset: int, data: bytes) -> None:
        path = self._folder / slot / PART
        with _slot_errors(path), open_private(path, "ab" if offset else "wb") as file:
            if offset and file.tell() != offset:
                raise OutputError(f"a download of {offset:,} bytes", f"{file.tell():,}", str(path))
            file.write(data)

    def finish(self, slot: Slot, release: Release, floor: int) -> bool:
        folder = self._folder / slot
        with _slot_errors(folder):
            part = folder / PART
            if file_operations.size(part):
                if not _is(part, release.length, release.sha256):
                    self._empty(slot, floor)
                    return False
                sync(part)
                file_operations.rename(part, folder / PACKAGE)
                file_operations.sync_folder(folder)
            elif not _is(folder / PACKAGE, release.length, release.sha256):
                self._empty(slot, floor)
                return False
            # Between the rename and this write, the label does not match the bytes: the slot counts as empty.
            self._label(slot, Label(floor=max(floor, self.floor(slot)), **_named(release)))
        return True

    def put(self, slot: Slot, data: bytes, release: Release, floor: int) -> bool:
        """Write a whole package, such as one that came with the device; return whether it is correct."""
        self.write(slot, 0, data)
        return self.finish(slot, release, floor)

    def holds(self, slot: Slot) -> Release | None:
        label = self._read(slot)
        if not label.sha256 or not _is(self._folder / slot / PACKAGE, label.length, label.sha256):
            return None
        return Release(**_named(label))

    def floor(self, slot: Slot) -> int:
        return self._read(slot).floor

    def raise_floor(self, floor: int) -> None:
        for slot in NAMES:
            label = self._read(slot)
            if label.floor < floor:
                self._label(slot, msgspec.structs.replace(label, floor=floor))

    def _read(self, slot: Slot) -> Label:
        path = self._folder / slot / LABEL
        try:
            label = msgspec.json.decode(path.read_bytes(), type=Label)
        except (OSError, msgspec.DecodeError):
            return Label()
        if label.format > FORMAT:
            raise InputError(f"a slot of format {FORMAT} or older", f"format {label.format}", str(path),
                             "Update Edgewright on this device")  # fmt: skip
        return label

    def _label(self, slot: Slot, label: Label) -> None:
        folder = self._folder / slot
        # Remove temporary files of interrupted writes.
        for left in folder.glob(f".{LABEL}.*"):
            file_operations.remove(left)
        write_atomic(folder / LABEL, msgspec.json.encode(label) + b"\n", PRIVATE)

    def _empty(self, slot: Slot, floor: int) -> None:
        self._label(slot, Label(floor=max(floor, self.floor(slot))))
        file_operations.remove(self._folder / slot / PART)
        file_operations.remove(self._folder / slot / PACKAGE)
        file_operations.sync_folder(self._folder / slot)


def _named(release: Release | Label) -> dict[str, Any]:
    """Return the fields that a label and a release have in common."""
    return {name: getattr(release, name) for name in ("product", "counter", "target", "sha256", "length", "package")}


def _is(path: Path, length: int, sha256: str) -> bool:
    """Return whether a file has this length and hash; it is read in blocks."""
    if file_operations.size(path) != length:
        return False
    digest = hashlib.sha256()
    with suppress(OSError), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest() == sha256
    return False


def _slot_errors(path: Path) -> AbstractContextManager[None]:
    """Turn an OSError into an OutputError."""
    return os_errors(OutputError, "room for a package on a disk that can be written", path)
