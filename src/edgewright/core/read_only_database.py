"""Reads a SQLite file beside its writers without changing any file: not the log, and not the log's index."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from edgewright.core.errors import OutputError
from edgewright.core.files import INDEX, JOURNAL, LOG

T = TypeVar("T")
_PATIENCE_S = 10.0
_ATTEMPTS = 5


def connect_read_only(path: Path, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - options of sqlite3.connect
    """Open a database for reading; every write fails.

    A plain `mode=ro` creates a log and its index beside a database that had a log before, and leaves them. Therefore:

    - Without a log and a journal, everything is in the file itself, which is read without locks. A writer that begins
      meanwhile may change it: run all of the reading in `read_unchanged` or `unchanged`.
    - With a log and its index, the index is opened read-only. Where no process writes (it was killed), SQLite builds
      an index of the log in memory.
    - With a rollback journal, a writer is at work: it is waited for, as any reader does, and refused after that.
    - A log without an index, or a journal that a killed writer left, has no writer: the files are copied, and the copy
      is recovered and read.

    Args:
        path: path of the database.
        options: of `sqlite3.connect`.

    Raises:
        sqlite3.DatabaseError: the file is no database, or cannot be read.
    """
    options = {"isolation_level": None, "timeout": _PATIENCE_S, **options}
    uri = f"{path.absolute().as_uri()}?mode=ro"
    journal, index = (Path(f"{path}{side}").exists() for side in (JOURNAL, INDEX))
    if _state(path) is not None and not journal:
        return _opened(f"{uri}&immutable=1", options)
    try:
        if journal or index:
            return _opened(uri if journal else f"{uri}&readonly_shm=1", options)
    except sqlite3.OperationalError as error:
        if index:
            # No reader of the running writer has set a mark in the index yet: this one does, as any reader would.
            return _opened(uri, options)
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:  # a writer is at work: a copy would be torn
            raise
    return _copied(path, options)


class ChangedError(OutputError):
    """A database changed while it was read."""


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Refuse what is read inside if a writer changed the database meanwhile without a log.

    Raises:
        ChangedError: it changed; `read_unchanged` reads again.
    """
    before = _state(path)
    error: Exception | None = None
    try:
        yield
    except Exception as failed:  # noqa: BLE001 - raised below, unless the change explains it
        error = failed
    if _state(path) != before:
        expected, got = "a database that stays while it is read", "writers that come and go"
        raise ChangedError(expected, got, str(path), "Try again") from error
    if error is not None:
        raise error


def read_unchanged(path: Path, work: Callable[[], T]) -> T:
    """Run work that reads a database, again if a writer changed it meanwhile without a log.

    Args:
        path: path of the database.
        work: opens the database, reads and closes it; repeatable.

    Raises:
        ChangedError: it changes all the time.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(ChangedError), unchanged(path):
            return work()
    with unchanged(path):
        return work()


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a database without a log is written; None for a database with a log."""
    try:
        if Path(f"{path}{LOG}").stat().st_size:
            return None
    except OSError:
        pass
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _opened(uri: str, options: dict[str, Any]) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _copied(path: Path, options: dict[str, Any]) -> sqlite3.Connection:
    # Copying opens and closes the file, which would drop the locks of this process: nobody has it open here. The
    # connection keeps the copy's files open; their names can go.
    with tempfile.TemporaryDirectory(prefix="edgewright-read-") as spare:
        copy = Path(spare) / path.name
        for side in ("", LOG, JOURNAL):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{side}", f"{copy}{side}")
        connection = _opened(copy.as_uri(), options)
        connection.execute("PRAGMA query_only=ON").close()
        return connection
