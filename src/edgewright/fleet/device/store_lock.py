"""Locks the folder of a store, so that one agent at a time follows a fleet with it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from edgewright.core.files import open_private, private_folder
from edgewright.device.store import file_operations
from edgewright.schema.errors import InputError, OutputError

LOCK_FILE = "fleet.lock"


def locked(store: Path) -> IO[str]:
    """Lock the store's folder for this agent.

    Raises:
        InputError: another agent uses the folder, or it is not a folder.
        OutputError: the folder cannot be written.
    """
    try:
        new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
        private_folder(store)
        for folder in new:
            file_operations.sync_folder(folder.parent)
        handle = open_private(store / LOCK_FILE, "a")
    except (FileExistsError, NotADirectoryError):
        raise InputError("a folder for the store", "a file", str(store)) from None
    except OSError as error:
        raise OutputError("a folder that can be written", error.strerror or str(error), str(store)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise InputError("a store that no other agent follows a fleet with", "one that is in use", str(store),
                         "Stop the other `edgewright device run`, or name another folder") from None  # fmt: skip
    return handle
