"""A label project: one SQLite file with items, suggestions, what people said, and audits. Nothing said is ever deleted.

Commits are durable before a command says so (WAL, synchronous = FULL).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from edgewright.core.errors import (
    ExistingFileError,
    FolderMissingError,
    LabelProjectError,
    LabelsError,
    OutputError,
)
from edgewright.data.remote import located
from edgewright.device.store.database import Connect, Database, connect, trouble

FORMAT, VERSION = 0x45574C42, 1
_MAKE = "Create one with: edgewright label suggest DATA --out PROJECT"
_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE classes (name TEXT PRIMARY KEY, description TEXT NOT NULL DEFAULT '') STRICT",
    """CREATE TABLE items (id INTEGER PRIMARY KEY, content TEXT NOT NULL, place TEXT NOT NULL, recording TEXT NOT NULL
    DEFAULT '', person TEXT NOT NULL DEFAULT '', first INTEGER NOT NULL DEFAULT 0, data BLOB)
    STRICT""",
    """CREATE TABLE suggestions (item INTEGER PRIMARY KEY, label TEXT NOT NULL, confidence REAL NOT NULL,
    source TEXT NOT NULL, made TEXT NOT NULL) STRICT""",
    """CREATE TABLE labels (id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL,
    label TEXT NOT NULL, reviewer TEXT NOT NULL, how TEXT NOT NULL, made TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0) STRICT""",
    "CREATE INDEX labels_of ON labels (item)",
    "CREATE TABLE queue (item INTEGER PRIMARY KEY, rank INTEGER NOT NULL) STRICT",
    "CREATE TABLE vectors (item INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    "CREATE TABLE audits (id INTEGER PRIMARY KEY, made TEXT NOT NULL) STRICT",
    """CREATE TABLE population (audit INTEGER NOT NULL, item INTEGER NOT NULL, label TEXT NOT NULL,
    rank INTEGER NOT NULL, PRIMARY KEY (audit, item)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE draws (id INTEGER PRIMARY KEY, audit INTEGER NOT NULL, whole INTEGER NOT NULL,
    each INTEGER NOT NULL, made TEXT NOT NULL) STRICT""",
)


class Item(NamedTuple):
    """One thing to be labelled: `content` is the text, the picture's path, or what a window is called."""

    id: int
    content: str
    location: str
    recording: str
    person: str
    first: int


class Suggestion(NamedTuple):
    """What a machine takes an item for; an empty label is 'unsure'."""

    label: str
    confidence: float
    source: str
    time: str


class Review(NamedTuple):
    """What a person said of an item; an empty label is 'none of the classes'."""

    id: int
    item: int
    label: str
    reviewer: str
    how: str
    time: str


def now() -> str:
    """UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Project:
    """An open label project.

    Args:
        path: path of the file.
        opener: of SQLite.

    Raises:
        InputError: no such file, another file, or a project of a newer version.
        OutputError: it is damaged.
    """

    def __init__(self, path: Path, opener: Connect = connect) -> None:
        self.path = path
        if not path.is_file():
            got = "a folder" if path.is_dir() else "no such file"
            raise LabelProjectError("a label project", got, str(path), _MAKE)
        self._refuse_others()
        with self._sqlite_errors():
            self.base = Database(path, opener)
            self.base.execute("PRAGMA journal_mode = WAL")
            self.base.execute("PRAGMA synchronous = FULL")

    @classmethod
    def create(cls, path: Path, record: dict[str, Any], opener: Connect = connect) -> Project:
        """Return a new, empty project; `record` is what its `meta` says.

        Raises:
            InputError: the file is there, or its folder is not.
            OutputError: it cannot be written.
        """
        if path.exists():
            raise ExistingFileError("a new file", "an existing one", str(path), "Choose another with --out")
        if not path.parent.is_dir():
            raise FolderMissingError("a file in an existing folder", str(path.parent), "--out")
        try:
            base = Database(path, opener)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = FULL")
            with base.transaction():
                for table in _TABLES:
                    base.execute(table)
                for key, value in record.items():
                    base.execute("INSERT INTO meta VALUES (?, ?)", (key, json.dumps(value)))
                base.execute(f"PRAGMA application_id = {FORMAT}")
                base.execute(f"PRAGMA user_version = {VERSION}")
            base.close()
        except sqlite3.Error as error:
            raise OutputError("to write a label project", str(error), str(path)) from None
        return cls(path, opener)

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def source(self) -> Path:
        """Path of the data on this machine; what lies at an address is copied.

        Raises:
            InputError: an address that cannot be read.
        """
        return Path(located(str(self.meta("source"))))

    def close(self) -> None:
        """Leave one file behind."""
        self.base.close()

    def _refuse_others(self) -> None:
        """Look at the header of the file (sqlite.org/fileformat.html) before SQLite may change anything beside it."""
        try:
            with self.path.open("rb") as file:
                head = file.read(100)
        except OSError as error:
            raise LabelProjectError("a label project", error.strerror or str(error), str(self.path), _MAKE) from None
        version, kind = (int.from_bytes(head[at : at + 4], "big") for at in (60, 68))
        if kind != FORMAT or not head.startswith(b"SQLite format 3\0"):
            got = "an SQLite file of another program" if head.startswith(b"SQLite") else "another file"
            raise LabelProjectError("a label project", got, str(self.path), _MAKE)
        if version > VERSION:
            raise LabelProjectError(
                f"a label project of version {VERSION} or older", f"version {version}", str(self.path),
                f"Label project format {version} is newer than this Edgewright reads ({VERSION}): upgrade",
            )  # fmt: skip

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = trouble(error)
            do = {"full": "Free some space", "busy": "It is in use: try again"}.get(kind, "Restore a copy")
            raise OutputError("a label project that can be read and written", str(error), str(self.path), do) from None

    def execute(self, sql: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement.

        Raises:
            OutputError: the disk is full, the file damaged, or another process writes for too long.
        """
        with self._sqlite_errors():
            return self.base.execute(sql, arguments)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """All of it is durable at the end, or nothing was done."""
        with self._sqlite_errors(), self.base.transaction():
            yield

    def meta(self, key: str, absent: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Return a setting."""
        rows = self.execute("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else absent

    def set_meta(self, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        """Change a setting."""
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    @property
    def kind(self) -> str:
        """'text', 'windows', 'rows', 'pictures' or 'sounds'."""
        return str(self.meta("kind", ""))

    def classes(self) -> dict[str, str]:
        """Return names of the classes with their descriptions, in order."""
        return dict(self.execute("SELECT name, description FROM classes ORDER BY name"))

    def add_class(self, name: str, description: str = "") -> None:
        """Add a class; an empty description keeps the present one.

        Raises:
            InputError: a name that is empty, too long, has control characters, or begins with '/' or '+'.
        """
        if not name or name != name.strip() or len(name) > 100 or not name.isprintable() or name[0] in "/+":
            raise LabelsError(
                "the name of a class: at most 100 characters, not beginning with / or +", repr(name[:120])
            )
        self.execute(
            "INSERT INTO classes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET description = excluded.description "
            "WHERE excluded.description != ''",
            (name, description),
        )

    def items(self) -> list[Item]:
        """All of them, in order."""
        rows = self.execute("SELECT id, content, place, recording, person, first FROM items ORDER BY id")
        return [Item(*row) for row in rows]

    def item(self, number: int) -> Item | None:
        """One of them."""
        rows = self.execute("SELECT id, content, place, recording, person, first FROM items WHERE id = ?", (number,))
        return Item(*rows[0]) if rows else None

    def data(self, number: int) -> bytes:
        """Return the float32 values of a window or row, channels first."""
        rows = self.execute("SELECT data FROM items WHERE id = ?", (number,))
        return bytes(rows[0][0] or b"") if rows else b""

    def suggestions(self) -> dict[int, Suggestion]:
        """By item."""
        rows = self.execute("SELECT item, label, confidence, source, made FROM suggestions")
        return {row[0]: Suggestion(*row[1:]) for row in rows}

    def suggestion(self, number: int) -> Suggestion | None:
        """Of one item."""
        rows = self.execute("SELECT label, confidence, source, made FROM suggestions WHERE item = ?", (number,))
        return Suggestion(*rows[0]) if rows else None

    def reviews(self, number: int | None = None) -> list[Review]:
        """Return what people said and did not take back, of all items or of one, oldest first."""
        sql = "SELECT id, item, label, reviewer, how, made FROM labels WHERE undone = 0"
        rows = self.execute(f"{sql} ORDER BY id" if number is None else f"{sql} AND item = ? ORDER BY id",
                            () if number is None else (number,))  # fmt: skip
        return [Review(*row) for row in rows]

    def latest(self, number: int) -> int:
        """Return number of the last thing that was said of an item, taken back or not; what a form was made from."""
        return int(self.execute("SELECT COALESCE(SUM(1 + undone), 0) FROM labels WHERE item = ?", (number,))[0][0])

    def say(self, number: int, label: str, reviewer: str, how: str) -> int:
        """Return a person's label, durable when this returns; 'settled' decides between people who differ.

        Raises:
            InputError: an unknown label or item, or a name of a reviewer that is none.
        """
        refuse_reviewer(reviewer)
        with self.changing():
            if self.item(number) is None:
                raise LabelProjectError("an item of this project", str(number), str(self.path))
            if label and label not in self.classes():
                raise LabelsError(f"a class of this project ({', '.join(self.classes())[:200]})", repr(label[:100]))
            self.execute(
                "INSERT INTO labels (item, label, reviewer, how, made) VALUES (?, ?, ?, ?, ?)",
                (number, label, reviewer, how, now()),
            )
            return int(self.execute("SELECT last_insert_rowid()")[0][0])

    def undo(self, reviewer: str) -> Review | None:
        """Take the last label of a reviewer back; None where there is none left."""
        with self.changing():
            rows = self.execute(
                "SELECT id, item, label, reviewer, how, made FROM labels WHERE undone = 0 AND reviewer = ? "
                "ORDER BY id DESC LIMIT 1",
                (reviewer,),
            )
            if not rows:
                return None
            self.execute("UPDATE labels SET undone = 1 WHERE id = ?", (rows[0][0],))
            return Review(*rows[0])


def refuse_reviewer(name: str) -> None:
    """Refuse a reviewer's name that exported data cannot hold.

    Raises:
        InputError: it is empty, too long or holds control characters.
    """
    if not name.strip() or len(name) > 60 or not name.isprintable():
        raise LabelProjectError("a name of the reviewer", repr(name[:80]), "--as")
