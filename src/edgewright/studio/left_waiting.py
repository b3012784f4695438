"""Runs that still waited when the studio ended: their names and forms, kept in a file; none begins by itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.files import write_atomic
from edgewright.trace.journal import FOLDER

# Pages whose address may be offered again: the file could have been written by another.
_FORMS = ("/new/", "/start?")


class Waiting(msgspec.Struct, frozen=True):
    """A run that waits: its name and the address of the form that started it."""

    name: str
    back: str


def read(runs: Path) -> list[Waiting]:
    """Return what waited; nothing where the file is absent or is not ours."""
    try:
        found = msgspec.json.decode(_file(runs).read_bytes(), type=list[Waiting])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one for one in found if one.back.startswith(_FORMS)]


def write(runs: Path, waiting: Sequence[Waiting]) -> None:
    """Keep what waits; the file is removed with the last."""
    path = _file(runs)
    if waiting:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(list(waiting)))
    else:
        with suppress(OSError):
            path.unlink()


def _file(runs: Path) -> Path:
    return runs / FOLDER / "waiting.json"
