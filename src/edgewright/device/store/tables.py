"""The tables of the store, their version, and how a new file comes into being: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from edgewright.core.errors import FormatNewerError, InputError
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database

VERSION = 1
# 'EDGW': tells a store from other people's databases (PRAGMA application_id).
APPLICATION = 0x45444757
STORE_FILE = "store.sqlite"
TABLES = {
    "meta": "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # No index but the order of arrival: each further one would cost a page of flash with every commit.
    "events": "CREATE TABLE events(id INTEGER PRIMARY KEY, boot INTEGER, sequence INTEGER, age REAL, written REAL, "
    "size INTEGER, kind TEXT, stream TEXT, time REAL, wall REAL, doubt REAL, label TEXT, score REAL, detail TEXT)",
    "rows": "CREATE TABLE rows(id INTEGER PRIMARY KEY, boot INTEGER, sequence INTEGER, age REAL, written REAL, "
    "size INTEGER, stream TEXT, names TEXT, start REAL, stop REAL, count INTEGER, plain BLOB, sealed BLOB, key TEXT)",
    # In the order in which items leave.
    "outbox": "CREATE TABLE outbox(priority INTEGER, boot INTEGER, sequence INTEGER, age REAL, expires REAL, "
    "size INTEGER, body BLOB, PRIMARY KEY(priority, boot, sequence)) WITHOUT ROWID",
    "dropped": "CREATE TABLE dropped(priority INTEGER, reason TEXT, items INTEGER, bytes INTEGER, "
    "PRIMARY KEY(priority, reason)) WITHOUT ROWID",
}
# How a table is walked in its own order, for reading what is left of a damaged file.
ORDER = {
    "meta": "key",
    "events": "id",
    "rows": "id",
    "outbox": "priority, boot, sequence",
    "dropped": "priority, reason",
}


def make(path: Path, opener: Connect) -> Database:
    """Return an empty store in a file that nobody knows yet; its name is made durable by `adopt`."""
    database = Database(path, opener)
    # Synced too: that the journal of these first steps is gone, else a power cut could bring it back.
    database.execute("PRAGMA synchronous=EXTRA")
    database.execute("PRAGMA auto_vacuum=INCREMENTAL")
    database.execute("PRAGMA journal_mode=DELETE")
    with database.transaction():
        for sql in TABLES.values():
            database.execute(sql)
        database.execute(f"PRAGMA application_id={APPLICATION}")
        database.execute(f"PRAGMA user_version={VERSION}")
    return database


def adopt(new: Path, path: Path) -> None:
    """Give a finished file its name. Its write-ahead log comes into being when it is opened."""
    file_operations.rename(new, path)
    file_operations.sync_folder(path.parent)


def refuse_newer(path: Path) -> None:
    """Refuse what a newer Edgewright wrote, by the first bytes of the file, without opening it as a database.

    Raises:
        InputError: naming both versions.
    """
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return
    # sqlite.org/fileformat.html, 1.3: the user version at 60, the application at 68.
    version, application = int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")
    if header.startswith(b"SQLite format 3\x00") and application == APPLICATION and version > VERSION:
        raise _newer(version, path)


def check_version(database: Database) -> None:
    """Refuse what is no store and what a newer Edgewright wrote.

    Raises:
        InputError: naming both versions.
    """
    application = int(database.value("PRAGMA application_id"))
    version = int(database.value("PRAGMA user_version"))
    if application == 0 and not database.value("SELECT count(*) FROM sqlite_schema"):
        return  # nothing in it: no other program's, but damaged
    if application != APPLICATION:
        raise FormatNewerError(
            "a store of Edgewright", "a SQLite file of another program", str(database.path), "Name another folder"
        )
    if version > VERSION:
        raise _newer(version, database.path)


def tune(database: Database, pages: int = 0) -> None:
    """Apply the settings of a connection; `pages` limits the file, 0 leaves it unlimited."""
    # FULL: the log is synced with every commit. NORMAL lost commits in 11 of 15 power cuts (DESIGN.md, decision 10).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", "cache_size=-1024",
                   "temp_store=MEMORY", "secure_delete=OFF"):  # fmt: skip
        database.execute(f"PRAGMA {pragma}")
    if pages:
        database.execute(f"PRAGMA max_page_count={pages}")


def _newer(version: int, path: Path) -> InputError:
    return FormatNewerError(
        f"a store of version {VERSION} or older",
        f"version {version}",
        str(path),
        "Update Edgewright on this device, or name another folder; nothing was changed",
    )
