"""Writing the files of a target into a folder: all of them whole, or none over what is there."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.files import write_atomic, write_together
from edgewright.schema.errors import InputError, OutputError

LIST = ".edgewright-export.json"
"""File of an export's folder that names the files which each export wrote there, each with its SHA-256."""
_FORMAT = 2

# Bytes; file systems take 255, and the temporary name is longer.
_LONGEST_NAME = 200
_NOT_IN_NAMES = frozenset('/\\:*?"<>|')


class _Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of LIST: hash by name of a file, by target and name of the export."""

    format: int
    exports: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Written:
    """What an export did in a folder.

    Attributes:
        files: bytes by path of all its files.
        removed: files of earlier exports of the same name and target, which this one replaces.
        changed: files of those that somebody changed since; they stay.
    """

    files: dict[Path, bytes]
    removed: tuple[Path, ...] = ()
    changed: tuple[Path, ...] = ()


def write_files(folder: Path, files: dict[str, bytes], export: str = "", *, force: bool = False) -> Written:
    """Write files, all of them under other names before the first is renamed.

    Args:
        folder: made when it is not there.
        files: bytes by file name; a folder inside stands before a slash.
        export: target and name, which tell it from other exports in the folder.
        force: replace files of these names, and remove what else earlier exports of this target and name wrote here.

    Returns:
        What was written and removed.

    Raises:
        InputError: when one of them is there already with other bytes, and `force` is not given; for a name that leads
            out of the folder; for a list of an earlier export that cannot be read.
        OutputError: when the folder cannot be written; an earlier export is then as it was.
    """
    for name in files:
        _check_name(name)
    paths = {folder / name: data for name, data in sorted(files.items())}
    for path in paths:
        if path.is_dir():
            raise InputError(
                "a folder without that name", "one that has a folder of it", str(path), "Choose another --out"
            )
    if not force:
        for path, data in paths.items():
            if path.exists() and not (path.is_file() and path.read_bytes() == data):
                raise InputError(
                    "a folder without that file", "one that has it", str(path), "Use --force to replace it"
                )
    exports = _listed(folder)
    earlier = exports.get(export, {})
    try:
        for path in (folder / name for name in sorted({"", *(str(Path(name).parent) for name in files)})):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("to make a folder", error.strerror or str(error), str(error.filename or folder)) from None
    own = {name: _hash(data) for name, data in files.items()}
    # Exports may share a file, which is now as this one wrote it.
    others = {
        key: {name: own.get(name, digest) for name, digest in listed.items()}
        for key, listed in exports.items() if key != export
    }  # fmt: skip
    # The list comes first: an export that is killed between two names has all of its files in it.
    write_together({folder / LIST: _listing({**others, export: earlier | own}), **paths})
    if not force or earlier.keys() <= own.keys():
        return Written(paths)
    left = earlier.keys() - set(own).union(*others.values())
    removed, changed = _remove_earlier(folder, {name: earlier[name] for name in left}, paths)
    write_atomic(folder / LIST, _listing({**others, export: own}))
    return Written(paths, removed, changed)


def _listed(folder: Path) -> dict[str, dict[str, str]]:
    """Return hashes by name of what each earlier export wrote; empty without a list."""
    path = folder / LIST
    if not path.is_file():
        return {}
    do = "Delete that file; what the earlier export wrote then stays"
    try:
        listing = msgspec.json.decode(path.read_bytes(), type=_Listing)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError("the list of an earlier export", str(error), str(path), do) from None
    if listing.format != _FORMAT:
        raise InputError(f"a list of format {_FORMAT}", f"format {listing.format}", str(path), do)
    for name in {name for files in listing.exports.values() for name in files}:
        _check_name(name, str(path), do)
    return listing.exports


def _listing(exports: dict[str, dict[str, str]]) -> bytes:
    return msgspec.json.encode(_Listing(_FORMAT, exports), order="sorted")


def _remove_earlier(
    folder: Path, earlier: dict[str, str], new: dict[Path, bytes]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Remove files whose bytes are as an earlier export wrote them; return those removed and those changed since."""
    removed, changed = [], []
    try:
        for name, digest in sorted(earlier.items()):
            path = folder / name
            # Where case does not count, a new file may have the name of an old one.
            if path.is_symlink() or not path.is_file() or any(path.samefile(other) for other in new):
                continue
            if _hash(path.read_bytes()) != digest:
                changed.append(path)
                continue
            path.unlink()
            removed.append(path)
            for above in list(Path(name).parents)[:-1]:
                with suppress(OSError):  # it holds other files
                    (folder / above).rmdir()
    except OSError as error:
        raise OutputError(
            "to remove a file of an earlier export", error.strerror or str(error), str(error.filename or folder)
        ) from None
    return tuple(removed), tuple(changed)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_name(name: str, where: str = "the name of the model", do: str = "Give another with --name") -> None:
    """Names come from packages and models, too: none may lead out of the folder, or be none of a file."""
    parts = name.split("/")
    longest = len(name.encode("utf-8", "replace")) > _LONGEST_NAME
    hidden = any(not part or part.startswith(".") for part in parts)
    if longest or hidden or any(c in _NOT_IN_NAMES or not c.isprintable() for part in parts for c in part):
        got = repr(name if len(name) <= 40 else name[:40] + "...")
        raise InputError("a plain name for the files", got, where, do)
