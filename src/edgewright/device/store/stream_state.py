"""The file beside the database that holds what an agent has learnt of its streams: its name, its share, its end.

The agent writes it (`device/agent/checkpoint.py`). It is made of raw rows, so it counts in the quota and goes when
they are purged.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edgewright.core.files import os_errors
from edgewright.device.store import file_operations
from edgewright.schema.errors import OutputError
from edgewright.schema.store import StoreConfig

STATE_FILE = "learnt.state"
LARGEST = 4 << 20
LEARNED_FOLDER = "learned"
"""Folders by package: what an agent has learned from labels (`device/agent/learned.py`)."""


def share(config: StoreConfig, minimum: int) -> int:
    """Bytes of the quota that are its: `LARGEST`, or a quarter of what a small quota has beyond `minimum` bytes."""
    return max(0, min(LARGEST, (config.quota - config.ballast - minimum) // 4))


def held(folder: Path) -> int:
    """Return bytes that it takes on the disk, with what a kill left of writing it."""
    return sum(file_operations.size(path) for path in _files(folder))


def tidy(folder: Path) -> None:
    """Remove what a kill left of writing it."""
    for path in _files(folder)[1:]:
        with suppress(OSError):
            _remove(path)


def remove(folder: Path) -> list[str]:
    """Overwrite the file, and what a kill left of writing it, and deletes them; their names.

    Raises:
        OutputError: it cannot be deleted.
    """
    found = [path for path in _files(folder) if path.exists()]
    try:
        for path in found:
            _remove(path)
        file_operations.sync_folder(folder)
    except OSError as error:
        raise OutputError("to delete what was learnt", error.strerror or str(error), str(folder / STATE_FILE)) from None
    return [path.name for path in found]


def forget(folder: Path) -> list[str]:
    """Overwrite and delete what was learned of packages from labels, in the folders of `learned`; their names.

    Raises:
        OutputError: a file cannot be deleted.
    """
    found = sorted((folder / LEARNED_FOLDER).glob("*/*adapt.*"))
    with os_errors(OutputError, "to delete what was learned", folder / LEARNED_FOLDER):
        for path in found:
            _remove(path)
            file_operations.sync_folder(path.parent)
    return [f"{path.parent.name}/{path.name}" for path in found]


def _files(folder: Path) -> list[Path]:
    return [folder / STATE_FILE, *sorted(folder.glob(f".{STATE_FILE}.*"))]


def _remove(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(file_operations.size(path)))
        file.flush()
        os.fsync(file.fileno())
    file_operations.remove(path)
