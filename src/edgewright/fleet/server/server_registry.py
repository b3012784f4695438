"""Which processes serve a folder (one over SQLite, several over PostgreSQL), and whether their signer answers."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.fleet.server.database import postgres
from edgewright.fleet.server.signer.socket import SOCKET, heard
from edgewright.schema.errors import InputError

SERVING = ".serving"
"""Held with a lock by the process that serves a folder, or shared by all that do."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process serves the folder meanwhile: a second server would take the signer's socket from the first.

    Raises:
        InputError: one does.
    """
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """Register this process as a server of the folder: alone, or beside others where the database allows it.

    Servers of one folder have one signer: whichever finds none starts it, and whichever is left starts it again.

    Raises:
        InputError: another process has the folder for itself.
    """
    with _held(folder, fcntl.LOCK_SH if postgres.address(folder) else fcntl.LOCK_EX):
        yield


@contextmanager
def _held(folder: Path, how: int) -> Iterator[None]:
    with (folder / SERVING).open("a") as handle:
        for left in reversed(range(5)):  # who asks whether it is served holds it for a moment
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left:
                    time.sleep(0.05)
                    continue
                raise InputError(
                    "a fleet that no other process serves", "one that is being served", str(folder),
                    "End that server first",
                ) from None  # fmt: skip
        yield


def signer_away(folder: Path) -> str:
    """Return why no rollout can step and nothing can be signed now; empty where it can.

    Args:
        folder: of the fleet. Where no server runs, commands sign by themselves and no signer is missed.
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
