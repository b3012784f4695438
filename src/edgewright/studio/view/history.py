"""Earlier versions of a labels file, below `.edgewright` in the studio's folder."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edgewright.core.files import write_atomic
from edgewright.schema.errors import InputError
from edgewright.trace.journal import FOLDER

MOST = 100
"""Versions that are kept of one file; the oldest go."""
_NAME = re.compile(r"\d{15,20}\.(csv|absent)")


@dataclass(frozen=True)
class Version:
    """An earlier version: its name, when it was replaced (seconds since 1970), lines; None where there was no file."""

    name: str
    replaced: float
    lines: int | None


def folder_of(root: Path, path: Path) -> Path:
    """Where the earlier versions of a labels file lie."""
    # A name is at most 255 bytes long.
    return root / FOLDER / "labels-history" / quote(str(path.relative_to(root)), safe="")[-200:]


def keep(folder: Path, content: bytes | None) -> None:
    """Keeps what is about to be replaced; None for no file."""
    suffix = "absent" if content is None else "csv"
    write_atomic(folder / f"{time.time_ns():019d}.{suffix}", content or b"")
    for name in sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name))[:-MOST]:
        (folder / name).unlink(missing_ok=True)


def versions(folder: Path) -> list[Version]:
    """The earlier versions, the latest first."""
    if not folder.is_dir():
        return []
    names = sorted((p.name for p in folder.iterdir() if _NAME.fullmatch(p.name)), reverse=True)
    return [_version(folder / name) for name in names]


def _version(path: Path) -> Version:
    lines = None if path.suffix == ".absent" else max(0, path.read_bytes().count(b"\n") - 1)
    return Version(path.name, int(path.stem) / 1e9, lines)


def content_of(folder: Path, name: str) -> bytes | None:
    """An earlier version's bytes; None where there was no file.

    Raises:
        InputError: there is no such version.
    """
    if not _NAME.fullmatch(name) or not (folder / name).is_file():
        raise InputError("a version that was kept", "none", name[:40], "Choose one of the list")
    return None if name.endswith(".absent") else (folder / name).read_bytes()
