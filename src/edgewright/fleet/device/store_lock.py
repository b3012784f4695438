"""Locks the folder of a store, so that one agent at a time follows a fleet with it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from edgewright.device.store import file_operations

LOCK_FILE = "fleet.lock"


def locked(store: Path, name: str = LOCK_FILE) -> IO[str]:
    """Lock the store's folder for this agent or launcher; new folders are durable.

    Args:
        store: the folder.
        name: name of the lock file.

    Raises:
        InputError: another agent uses the folder, or it is not a folder.
        OutputError: the folder cannot be written.
    """
    new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
    handle = file_operations.lock_folder(store, name, "a store that no other agent follows a fleet with")
    for folder in new:
        file_operations.sync_folder(folder.parent)
    return handle
