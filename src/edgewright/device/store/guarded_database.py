"""A small SQLite file that guards against what is older: made whole or not at all, flushed at once, in two copies.

The second copy is a file with all rows, written after each commit and before it is acknowledged. Both copies have a
checksum and a number, so that a flipped bit, a lost file, or a log that a flipped bit cut short is noticed, and the
newer whole copy replaces the other. Triggers remove the checksum where an Edgewright without copies writes: its rows
then count, and are copied again at the next start.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.errors import InputError, OutputError
from edgewright.core.files import INDEX, JOURNAL, LOG
from edgewright.core.read_only_database import read_unchanged
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect, memory, trouble

ENDINGS = (JOURNAL, LOG, INDEX)
"""Of the files that SQLite keeps beside a database."""
DAMAGED = ".damaged"
"""Ending of the last file that was found damaged."""
_FORMAT = 1
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, LookupError)
"""What a `check` raises for rows that it does not know."""
Rows = Sequence[tuple[str, Sequence[object]]]


class LostError(OutputError):
    """No copy of a guarded file can be read."""


class NewerError(InputError):
    """A newer version wrote the file or its copy: they are whole, and stay as they are."""

    code = "format-newer"

    def __init__(self, title: str, version: int, got: str, path: Path) -> None:
        super().__init__(f"{title} of version {version} or older", got, str(path), "Update Edgewright on this device")


class _DamagedError(OutputError):
    """The database, but not yet its copy, was found damaged."""


class _Content(msgspec.Struct, frozen=True):
    """All rows, as the second copy holds them.

    Attributes:
        format: of the copy. `version`: of the database.
        number: raised by every transaction.
        tables: rows by table.
    """

    format: int
    version: int
    number: int
    tables: dict[str, list[list[Any]]]


class CopiedDatabase(Database):
    """A guarded database with a checksum over its rows, and a second copy of them."""

    def __init__(self, path: Path, opener: Connect, writable: bool, version: int, tables: Sequence[str]) -> None:
        super().__init__(path, opener, writable)
        self._version, self._tables, self.number = version, tables, 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is durable in both copies at the end, or nothing was done."""
        with super().transaction():
            yield
            data = self._encoded(self.number + 1)
            self.execute("DELETE FROM seal")
            self.execute("INSERT INTO seal VALUES (?, ?)", (self._mark(data), self.number + 1))
        self.number += 1
        self._write_copy(data)

    def verify(self) -> bool:
        """Read all rows; return whether they have a checksum.

        Raises:
            _DamagedError: it is that of other rows.
        """
        self.execute("BEGIN")  # the agent may write meanwhile
        sealed = self.value("SELECT count(*) FROM sqlite_schema WHERE name = 'seal'")
        rows = self.execute("SELECT value, number FROM seal") if sealed else []
        data = self._encoded(number := int(rows[0][1]) if rows else 0)
        mark = self._mark(data)
        self.execute("COMMIT")
        if rows and rows[0][0] != mark:
            raise _DamagedError("the rows of the checksum", "others", str(self.path))
        self.number = number
        return bool(rows)

    def settle(self, newest: int) -> None:
        """Write checksum and copy anew.

        Args:
            newest: number of the copy.
        """
        self.number = max(self.number, newest)
        with self.transaction():
            self.execute("CREATE TABLE IF NOT EXISTS seal(value TEXT, number INTEGER)")
            for table in self._tables:
                for event in ("INSERT", "UPDATE", "DELETE"):
                    trigger = f"unseal_{table}_{event} AFTER {event} ON {table}"
                    self.execute(f"CREATE TRIGGER IF NOT EXISTS {trigger} BEGIN DELETE FROM seal; END")  # noqa: S608

    def _encoded(self, number: int) -> bytes:
        rows = {
            table: [list(row) for row in self.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608 - our names
            for table in self._tables
        }
        return msgspec.json.encode(_Content(_FORMAT, self._version, number, rows))

    def _mark(self, data: bytes) -> str:
        """Return the checksum of rows and of the tables' definitions, in which a bit can flip too."""
        definitions = self.execute("SELECT sql FROM sqlite_schema ORDER BY name")
        return hashlib.sha256(data + msgspec.json.encode(definitions)).hexdigest()

    def _write_copy(self, data: bytes) -> None:
        copy = copy_of(self.path)
        try:
            file_operations.replace_checked(copy, data)
        except OSError:
            # No copy is better than an older one, which would let numbers repeat; and a full disk has its room again.
            with suppress(OSError):
                file_operations.remove(copy.with_name(f"{copy.name}.new"))
                file_operations.remove(copy)
                file_operations.sync_folder(copy.parent)
                file_operations.replace_checked(copy, data)


def copy_of(path: Path) -> Path:
    """Return the path of a database's second copy."""
    return path.with_suffix(".copy")


def open_guarded(
    path: Path, version: int, statements: Sequence[str], title: str, do: str, *,
    opener: Connect = connect, writable: bool = True, ahead: bool = False, rows: Rows = (), tables: Sequence[str] = (),
    check: Callable[[Database], object] = lambda database: None,
) -> Database:  # fmt: skip
    """Open such a file with a rollback journal and `synchronous=EXTRA`, or create it.

    Args:
        path: path of the file; its folder is there.
        version: newest that this program reads.
        statements: that make its tables.
        title: it is, and what to do where it cannot be read, for messages.
        do: as above.
        opener: of databases.
        writable: without it an absent file is an error.
        rows: statements and arguments that fill a new file.
        ahead: with a write-ahead log and `synchronous=FULL` instead: as durable, one flush a commit instead of five,
            for a file that changes with every piece of news.
        tables: all its tables, of at least two columns, for a second copy; none for a file without one.
        check: reads the rows; an exception says that they are damaged.

    Raises:
        NewerError: a newer version wrote it.
        LostError: both copies are damaged.
        OutputError: it cannot be read or made; it is left as it is.
    """
    content, newer = _read_copy(copy_of(path), version) if tables else (None, False)

    def opened(rows: Rows) -> Database:
        return _opened(path, version, statements, title, do, opener, writable, ahead, rows, tables, content, check)

    def read_or_made() -> Database:
        return opened(rows) if writable else read_unchanged(path, lambda: opened(rows))

    if tables and copy_of(path).exists() and not path.exists():
        damage = LostError(title, "no file", str(path), do)
    else:
        try:
            return read_or_made()
        except LostError as error:
            damage = error
    if newer:
        raise NewerError(title, version, "a copy by a newer version", copy_of(path))
    if content is None:
        raise damage
    filled = [(_insert(table, row), row) for table, contents in content.tables.items() for row in contents]
    try:
        database = _in_memory(path, statements, filled)
        check(database)
    except MemoryError:
        raise
    except Exception as error:
        raise NewerError(title, version, f"a copy by a newer version: {error}", copy_of(path)) from error
    if not writable:
        return database
    database.close()
    try:
        _make(path, version, [(statement, ()) for statement in statements], filled, opener, aside=True)
    except Exception:  # noqa: BLE001 - the disk is full or read-only: that the file is damaged comes first
        raise damage from None
    _note(path, damage, content)
    return opened(())


def start_over(path: Path, title: str, also: Sequence[Path] = ()) -> None:
    """Set both copies of a lost file aside, and files that go with them; the next `open_guarded` makes it anew."""
    for ending in ENDINGS:
        file_operations.remove(path.with_name(path.name + ending))
    for old in (*also, path, copy_of(path)):
        with suppress(FileNotFoundError):
            file_operations.rename(old, old.with_name(old.name + DAMAGED))
    file_operations.sync_folder(path.parent)
    _note(path, OutputError(title, "both copies are damaged", str(path)), None)


def _read_copy(path: Path, version: int) -> tuple[_Content | None, bool]:
    """Return the second copy, None where there is none or a damaged one; and whether a newer version wrote it."""
    data = file_operations.read_checked(path)
    if data is None:
        return None, False
    try:
        content = msgspec.json.decode(data, type=_Content)
    except msgspec.DecodeError:  # whole, of another format
        return None, True
    newer = content.format > _FORMAT or content.version > version
    return None if newer else content, newer


def _opened(
    path: Path, version: int, statements: Sequence[str], title: str, do: str, opener: Connect, writable: bool,
    ahead: bool, rows: Rows, tables: Sequence[str], content: _Content | None, check: Callable[[Database], object],
) -> Database:  # fmt: skip
    database: Database | None = None
    try:
        if writable and not path.exists():
            _make(path, version, [(statement, ()) for statement in statements], rows, opener)
        if tables:
            database = CopiedDatabase(path, opener, writable, version, tables)
        else:
            database = Database(path, opener, writable)
        if writable:
            database.execute(f"PRAGMA journal_mode={'WAL' if ahead else 'DELETE'}")
            database.execute(f"PRAGMA synchronous={'FULL' if ahead else 'EXTRA'}")
        known = int(database.value("PRAGMA user_version"))
        if known > version:
            try:
                # Only a flipped bit leaves the checksum of this version behind.
                flipped = content is not None and isinstance(database, CopiedDatabase) and database.verify()
            except Exception:  # noqa: BLE001 - other tables, too
                flipped = False
            if flipped:
                raise _DamagedError(f"version {version} or older", f"version {known}", str(path))
            raise NewerError(title, version, f"version {known}", path)
        record = database.value("PRAGMA quick_check(1)")
        if record != "ok":
            raise LostError(title, f"a damaged file: {record}", str(path), do)
        newest = content.number if content is not None else 0
        sealed = isinstance(database, CopiedDatabase) and _compare(database, newest)
        try:
            check(database)
        except _UNREADABLE as error:
            if sealed:
                raise NewerError(title, version, f"rows by a newer version: {error}", path) from error
            raise
        if isinstance(database, CopiedDatabase) and writable:
            database.settle(newest)
        return database
    except _DamagedError as error:
        _close(database)
        raise LostError(title, f"a damaged file: {error.got}", str(path), do) from error
    except (InputError, OutputError, MemoryError):
        _close(database)
        raise
    except Exception as error:
        _close(database)
        # A folder that cannot be entered and a full disk say nothing about the file.
        lost = not isinstance(error, OSError) and trouble(error) not in ("full", "busy")
        raise (LostError if lost else OutputError)(title, f"{trouble(error)}: {error}", str(path), do) from error


def _compare(database: CopiedDatabase, newest: int) -> bool:
    """Return whether the rows have their checksum; `newest` is the number of the copy."""
    sealed = database.verify()
    if sealed and database.number < newest:
        raise _DamagedError("the newest rows", "older ones than those of the copy", str(database.path))
    return sealed


def _close(database: Database | None) -> None:
    if database is not None:
        database.close()


def _make(
    path: Path, version: int, statements: Rows, rows: Rows, opener: Connect, *, aside: bool = False
) -> None:  # fmt: skip
    temporary = path.with_name(f"{path.name}.new")
    file_operations.remove(temporary)
    for name in (temporary.name, path.name):
        # A journal or log of a file that is gone would be played into the new one.
        for ending in ENDINGS:
            file_operations.remove(path.with_name(name + ending))
    database = Database(temporary, opener)
    try:
        database.execute("PRAGMA synchronous=EXTRA")
        with database.transaction():
            for statement, arguments in (*statements, *rows):
                database.execute(statement, arguments)
            database.execute(f"PRAGMA user_version={version}")
    finally:
        database.close()
    if aside and path.exists():
        file_operations.rename(path, path.with_name(path.name + DAMAGED))
    file_operations.rename(temporary, path)
    file_operations.sync_folder(path.parent)


def _in_memory(path: Path, statements: Sequence[str], rows: Rows) -> Database:
    database = Database(path, lambda _path, _writable: memory())
    for statement, arguments in (*((sql, ()) for sql in statements), *rows):
        database.execute(statement, arguments)
    return database


def _insert(table: str, row: Sequence[object]) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - our own tables


def _note(path: Path, damage: OutputError, content: _Content | None) -> None:
    # They load NumPy, which the agent and its launcher do without.
    from edgewright.device.store import recovery  # noqa: PLC0415
    from edgewright.device.store.records import Damage  # noqa: PLC0415

    rescued = {name: len(rows) for name, rows in content.tables.items()} if content is not None else {}
    text, aside = f"{path.name}: {damage.got}", path.name + DAMAGED
    with suppress(OSError):
        recovery.note(path.parent, Damage(boot=0, wall=time.time(), subject=text, file=aside, rescued=rescued))
