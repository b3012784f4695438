"""Which processes serve a folder: one where the database is its SQLite file, several where it is PostgreSQL."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.fleet.server.database import database_url
from edgewright.fleet.server.signer.health import SERVING
from edgewright.schema.errors import InputError


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
    """This process serves the folder: alone, or beside others where its database takes several.

    Servers of one folder have one signer: whichever finds none starts it, and whichever is left starts it again.

    Raises:
        InputError: another process has the folder for itself.
    """
    with _held(folder, fcntl.LOCK_SH if database_url.address(folder) else fcntl.LOCK_EX):
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
