"""Which public set a person's folder or file is a copy of, so that its loader reads it and not a guess."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path

from edgewright.core.catalogue import listing
from edgewright.data.load import SETS, guess
from edgewright.data.public import is_archive, names, public_set
from edgewright.schema.errors import InputError


def set_at(path: Path | None) -> str:
    """Return the name of the public set that a folder or file is a copy of; empty where there is none."""
    if path is None:
        return ""
    if path.is_dir():
        return _of_folder(path)
    home = path.resolve().parent.name
    for name in names():
        found = public_set(name)
        if any(_is_file(path, file.name, file.sha256, home == found.folder) for file in found.files) or (
            found.folder and home == found.folder and path.stem == found.folder
        ):
            return name
    return ""


def has_loader(name: str) -> bool:
    """Return whether a loader reads the public set as rows; sets of texts have none."""
    return name in listing(SETS, "SET")


def table_of(path: str) -> dict[str, object]:
    """Return the table [data] of a path of which nobody said what its columns are: a public set's folder by its loader.

    Raises:
        InputError: nothing reads the path.
    """
    place = Path(path)
    known = set_at(place) if place.is_dir() else ""
    if has_loader(known):
        return {"kind": known, "path": path}
    try:
        return guess(path)
    except InputError as error:
        if not known:
            raise
        raise InputError("readings of sensors", f"the public set {known}, which has texts", path,
                         "Commands for texts read it: edgewright language --help") from error  # fmt: skip


def _of_folder(folder: Path) -> str:
    """Return the set whose files lie in a folder; its name decides where files say nothing."""
    home = folder.resolve().name
    there = {path.name.removesuffix(".gz").removesuffix(".xz") for path in folder.rglob("*")}
    packed = bool(there) and all(is_archive(Path(file)) for file in there)
    for name in names():
        found = public_set(name)
        if found.marks and all(_lies_in(there, mark) for mark in found.marks):
            return name
        if home in (found.folder, name) and (packed or not found.marks):
            return name
    return ""


def _lies_in(names_there: set[str], mark: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in mark.split("|") for name in names_there)


def _is_file(path: Path, name: str, sha256: str, at_home: bool) -> bool:
    """Return whether a file belongs to a set: its name matches, and so does its hash or the name of its folder."""
    if path.name != name:
        return False
    return at_home or (bool(sha256) and hashlib.sha256(path.read_bytes()).hexdigest() == sha256)
