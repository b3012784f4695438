"""Reads and writes published files: each one atomically and durably, roles in delegation order, timestamp last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import MetaFile

from edgewright.core.files import os_errors, sync, write_atomic
from edgewright.fleet.protocol.layout import INDEX, ROOT, SNAPSHOT, TIMESTAMP
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.schema.errors import InputError, OutputError


def read_published(fleet: Fleet) -> dict[str, bytes]:
    """Read the metadata by role as a device finds it now: the newest root, and the files that the timestamp names.

    Raises:
        InputError: a file is missing or differs from the signed one.
    """
    role_files: dict[str, bytes] = {}
    versions = root_versions(fleet)
    if not versions:
        raise InputError("signed metadata", "none", str(fleet.metadata), "Make the fleet with `edgewright fleet init`")
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
        raise InputError(f"SHA-256 {sha256[:12]}...", "other bytes", str(file_path), "The file was changed or damaged")
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
        raise InputError("the bytes that were signed", str(error), str(path), "Restore it from a backup") from None
    return data


def _read(path: Path) -> bytes:
    with os_errors(InputError, "a published file", path, "Restore it from a backup"):
        return path.read_bytes()
