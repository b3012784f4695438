"""A wheel set: wheels of the agent inside a package, below `agent/`. The package's signature covers them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

from edgewright.schema.errors import InputError

FOLDER = "agent/"
_WHEEL = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")
_LARGEST = 256 << 20


def wheels_of(package: Path) -> dict[str, bytes]:
    """Return the wheels of a package by file name; none where it carries none.

    Raises:
        InputError: a name that is no wheel's, or more than 256 MiB.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.startswith(FOLDER)]
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise InputError(f"wheels of at most {_LARGEST >> 20} MiB", "more", str(package))
            wheels = {entry.filename.removeprefix(FOLDER): archive.read(entry) for entry in entries}
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError("a package", str(error), str(package)) from None
    for name in wheels:
        checked(name)
    return wheels


def checked(name: str) -> str:
    """Return the file name of a wheel.

    Raises:
        InputError: it is none.
    """
    if not _WHEEL.fullmatch(name):
        raise InputError("the file name of a wheel", repr(name), "agent/")
    return name


def digest(wheels: dict[str, bytes]) -> str:
    """Return the name of the environment that these wheels make."""
    parts = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(wheels.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
