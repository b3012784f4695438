"""Registers the processes that serve a folder: one with SQLite, several with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from edgewright.core.files import lock, open_private
from edgewright.fleet.protocol.file_lock import lock_within
from edgewright.fleet.server.database import postgres
from edgewright.schema.errors import InputError

SERVING = ".serving"
"""Lock file of the process that serves a folder; several servers share the lock."""
_MOMENT_S = 0.2
"""Seconds for which `is_served` of another process may hold the lock."""


def alone(folder: Path) -> AbstractContextManager[None]:
    """Prevent other processes from serving the folder in the meantime.

    Raises:
        InputError: another process serves it.
    """
    return _locked(folder)


def serving(folder: Path) -> AbstractContextManager[None]:
    """Register this process as a server of the folder, exclusively or shared, depending on the database.

    Servers of one folder share one signer: the first one starts it, and any remaining one restarts it.

    Raises:
        InputError: another process has locked the folder.
    """
    return _locked(folder, shared=bool(postgres.address(folder)))


@contextmanager
def _locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    with open_private(folder / SERVING, "a") as handle:
        if not lock_within(handle, _MOMENT_S, shared=shared):
            do = "Stop that server first"
            raise InputError("a fleet that no other process serves", "one that is being served", str(folder), do)
        yield


def is_served(folder: Path) -> bool:
    """Return whether a process on this machine serves the folder."""
    try:
        with (folder / SERVING).open("r") as handle:
            return not lock(handle)
    except OSError:
        return False
