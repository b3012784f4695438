"""Earlier versions of a file that the studio edits; a save is whole or not at all, and never over somebody else's."""

from __future__ import annotations

import hashlib
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edgewright.core.errors import FileChangedError, InputError, StudioRequestError
from edgewright.core.files import lock, os_errors, write_atomic
from edgewright.trace.journal import FOLDER

ABSENT = "absent"
MAX_VERSIONS = 100
"""Versions that are kept of one file; the oldest go."""
_NAME = re.compile(r"\d{15,20}\.(csv|toml|absent)")


@dataclass(frozen=True)
class Version:
    """An earlier version: its name, when it was replaced (seconds since 1970), lines; None where there was no file."""

    name: str
    replaced: float
    lines: int | None


def folder_of(root: Path, path: Path, kind: str) -> Path:
    """Where the earlier versions of a file lie, of `kind` 'labels' or 'flow'."""
    # A name is at most 255 bytes long.
    return root / FOLDER / f"{kind}-history" / quote(str(path.relative_to(root)), safe="")[-200:]


def keep(folder: Path, content: bytes | None, suffix: str) -> None:
    """Keep what is about to be replaced; None for no file."""
    suffix = ABSENT if content is None else suffix
    write_atomic(folder / f"{time.time_ns():019d}.{suffix}", content or b"")
    for name in sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name))[:-MAX_VERSIONS]:
        (folder / name).unlink(missing_ok=True)


def versions(folder: Path) -> list[Version]:
    """Return the earlier versions, the latest first."""
    if not folder.is_dir():
        return []
    names = sorted((p.name for p in folder.iterdir() if _NAME.fullmatch(p.name)), reverse=True)
    return [_version(folder / name) for name in names]


def _version(path: Path) -> Version:
    lines = None if path.suffix == ".absent" else max(0, path.read_bytes().count(b"\n") - 1)
    return Version(path.name, int(path.stem) / 1e9, lines)


def content_of(folder: Path, name: str) -> bytes | None:
    """Return an earlier version's bytes; None where there was no file.

    Raises:
        InputError: there is no such version.
    """
    if not _NAME.fullmatch(name) or not (folder / name).is_file():
        raise StudioRequestError("a kept version", "none", name[:40], "Choose one from the list")
    return None if name.endswith(".absent") else (folder / name).read_bytes()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one studio saves at a time; a program that takes no heed of the lock is noticed by the file's hash."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        lock(file, wait=True)
        yield


def bytes_of(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        InputError: it cannot be read, or is no file.
    """
    with os_errors(InputError, "a file that can be read", path.name):
        if not stat.S_ISREG(path.stat().st_mode):
            raise StudioRequestError("a file", "not a regular file", path.name)
        return path.read_bytes()


def now(path: Path) -> tuple[str, bytes | None]:
    """Mark and bytes of what lies there now; `ABSENT` and None for nothing."""
    if not path.exists():
        return ABSENT, None
    content = bytes_of(path)
    return hashlib.sha256(content).hexdigest(), content


def save(path: Path, content: bytes | None, base: str, history: Path) -> str:
    """Write a file if it is still the one that was read, and keeps the earlier one.

    Args:
        path: path of the file.
        content: new bytes; None removes the file.
        base: mark of the file that was read.
        history: folder of this file's earlier versions.

    Returns:
        The new mark.

    Raises:
        FileChangedError: the file changed since; nothing is written.
        OutputError: it cannot be written; the earlier one is still there.
    """
    with _alone(history):
        mark, before = now(path)
        if mark != base:
            raise FileChangedError("the file this form was made from", "others", path.name, "Compare the changes")
        if content == before:
            return mark
        keep(history, before, path.suffix.lstrip("."))
        if content is None:
            path.unlink()
            return ABSENT
        mode = stat.S_IMODE(path.stat().st_mode) if before is not None else None
        write_atomic(path, content)
        if mode is not None:
            path.chmod(mode)
        return hashlib.sha256(content).hexdigest()
