"""Fleets that the studio created, and which of them it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from edgewright.fleet.simulator.practice_processes import Practices
from edgewright.schema.errors import InputError
from edgewright.studio.frame import Studio
from edgewright.trace.journal import FOLDER


def fleets(studio: Studio) -> list[Path]:
    """Return folders of fleets that the studio created, the newest first; no other page of the studio serves them."""
    folder = studio.folder / FOLDER / "fleets"
    known = [path for path in folder.glob("*") if (path / "fleet.toml").is_file()] if folder.is_dir() else []
    return sorted(known, key=lambda path: (path / "fleet.toml").stat().st_mtime, reverse=True)


def shown_fleet(studio: Studio) -> Path | None:
    """Return the fleet that the pages show: the chosen one, else the newest that the studio created."""
    return studio.fleet or next(iter(fleets(studio)), None)


def new_folder(studio: Studio, name: str) -> Path:
    """Return where a new fleet goes.

    Raises:
        InputError: a name with other characters, or one that is in use.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", name):
        raise InputError("a name of small letters, digits and '-'", repr(name), "name of the fleet")
    folder = studio.folder / FOLDER / "fleets" / name
    if folder.exists():
        raise InputError("a name that is not in use", name, "name of the fleet", "Choose another one")
    return folder


def practices_of(studio: Studio) -> Practices:
    """Return the processes of a studio."""
    return cast(Practices, studio.shared.setdefault("practices", Practices()))
