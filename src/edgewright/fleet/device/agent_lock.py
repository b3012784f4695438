"""One agent a store: a lock that ends with the process."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from edgewright.device.store import file_operations
from edgewright.schema.errors import InputError, OutputError

LOCK_FILE = "fleet.lock"


def locked(store: Path) -> IO[str]:
    """Takes the folder for this agent.

    Raises:
        InputError: another agent has it, or it is no folder.
        OutputError: it cannot be written.
    """
    try:
        new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
        store.mkdir(parents=True, exist_ok=True)
        for folder in new:
            file_operations.sync_folder(folder.parent)
        handle = (store / LOCK_FILE).open("a")
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
