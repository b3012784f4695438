"""Registers the processes that serve a folder (one with SQLite, several with PostgreSQL) and checks their signer."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.core.files import open_private
from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.signer.socket import SOCKET, heard
from edgewright.schema.errors import InputError

SERVING = ".serving"
"""Lock file of the process that serves a folder; several servers share the lock."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Prevent other processes from serving the folder in the meantime.

    Raises:
        InputError: another process serves it.
    """
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Register this process as a server of the folder, exclusively or shared, depending on the database.

    Servers of one folder share one signer: the first one starts it, and any remaining one restarts it.

    Raises:
        InputError: another process has locked the folder.
    """
    with _held(folder, fcntl.LOCK_SH if postgres.address(folder) else fcntl.LOCK_EX):
        yield


@contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    with open_private(folder / SERVING, "a") as handle:
        for left in reversed(range(5)):  # `_served` of another process holds the lock for a moment
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left:
                    time.sleep(0.05)
                    continue
                raise InputError(
                    "a fleet that no other process serves", "one that is being served", str(folder),
                    "Stop that server first",
                ) from None  # fmt: skip
        yield


def signer_away(folder: Path) -> str:
    """Return why the signer is unavailable; empty if it answers or is not needed.

    Args:
        folder: folder of the fleet. Without a server, commands sign themselves and need no signer.
    """
    return heard(folder / "keys" / "online" / SOCKET).trouble if _served(folder) else ""


def _served(folder: Path) -> bool:
    try:
        with (folder / SERVING).open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
