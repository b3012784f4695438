"""The file of an index: its tables, opening it read-only, and the vectors in it.

Words are numbered: the full-text table holds the numbers as text, so no tokeniser of SQLite decides what a word is, the
same on every version, and nothing that a person types becomes part of a query's grammar. A passage also holds its word
numbers sentence by sentence, so that sentences are scored with NumPy and no text is taken apart at a question.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.documents import INDEX_FORMAT, INDEX_VERSION, Indexed
from edgewright.schema.errors import InputError, OutputError

# Up to here they are kept as float32, which is multiplied several times faster.
_KEPT = 128 << 20


class StoredVectors:
    """The vectors of one kind, 'sentence' or 'section', in the order of their numbers."""

    def __init__(self, connection: sqlite3.Connection, of: str, count: int, dimensions: int) -> None:
        self._connection, self._of, self._count, self._dimensions = connection, of, count, dimensions
        self._kept: Vectors | None = None

    def products(self, vector: Vectors) -> Vectors:
        """Scalar products with all of them, shape (count,).

        Args:
            vector: shape (dimensions,).
        """
        if self._kept is None and self._count * self._dimensions * 4 <= _KEPT:
            parts = [rows * scales[:, None] for rows, scales in self._blocks()]
            self._kept = np.concatenate(parts) if parts else np.zeros((0, self._dimensions), np.float32)
        if self._kept is not None:
            return np.asarray(self._kept @ vector, np.float32)
        return np.concatenate([(rows @ vector) * scales for rows, scales in self._blocks()])

    def _blocks(self) -> Iterator[tuple[Vectors, Vectors]]:
        """Yield blocks one after the other: float32 rows that still lack their scales, and the scales."""
        cursor = self._connection.execute("SELECT rows, scales FROM vectors WHERE of = ? ORDER BY first", (self._of,))
        for rows, scales in cursor:
            wide = np.frombuffer(rows, np.int8).reshape(-1, self._dimensions).astype(np.float32)
            yield wide, np.frombuffer(scales, "<f4")


Integers = NDArray[np.int32]
Vectors = NDArray[np.float32]

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, told TEXT NOT NULL)",
    # words: numbers of the words of all headings on the path.
    "CREATE TABLE sections (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, path TEXT NOT NULL,"
    " words BLOB NOT NULL)",
    # spans: (sentences, 2) places in text; words: of all sentences; counts: (sentences) how many words each has;
    # first: number of the first sentence in the whole index.
    "CREATE TABLE passages (id INTEGER PRIMARY KEY, section INTEGER NOT NULL, page INTEGER NOT NULL,"
    " text TEXT NOT NULL, spans BLOB NOT NULL, words BLOB NOT NULL, counts BLOB NOT NULL, first INTEGER NOT NULL)",
    # sentences, passages: in how many of them the word stands; a passage has its headings' words, too.
    "CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE, sentences INTEGER NOT NULL,"
    " passages INTEGER NOT NULL)",
    "CREATE VIRTUAL TABLE spellings USING fts5(term, content='', tokenize='trigram')",
    "CREATE VIRTUAL TABLE words USING fts5(title, body, content='', tokenize='ascii')",
    # of: 'sentence' or 'section'; int8 rows and one scale each, in blocks.
    "CREATE TABLE vectors (of TEXT NOT NULL, first INTEGER NOT NULL, scales BLOB NOT NULL, rows BLOB NOT NULL,"
    " PRIMARY KEY (of, first))",
)
BLOCK = 1024
"""Rows of a block of vectors."""


def packed(values: Integers) -> bytes:
    """Return integers as the index holds them: 32 bits, little end first."""
    return values.astype("<i4").tobytes()


def unpacked(blob: bytes) -> Integers:
    """Return the integers again."""
    return np.frombuffer(blob, "<i4")


def quantised(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """Return rows in int8 and one scale a row: `rows * scales[:, None]` is near `vectors`.

    Args:
        vectors: shape (n, d).

    Returns:
        int8 of shape (n, d), float32 of shape (n,).
    """
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


BROKEN = (sqlite3.Error, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What reading an index that does not hold together can raise: text that is none, places beyond an array."""
_MAKE = "Make one with: edgewright language index MANUAL.pdf --out INDEX"


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a whole index.

    Attributes:
        contents: what it holds.
        sections: their number.
        sentence_words: mean of the words of a sentence, in words that say something.
        passage_words: mean of the words of a passage, its headings' included.
    """

    contents: Indexed = msgspec.field(name="held")
    sections: int
    sentence_words: float
    passage_words: float


def open_index(path: Path) -> tuple[sqlite3.Connection, Meta]:
    """Return the connection and the figures of an index.

    Raises:
        InputError: no such file, no index, an index of a newer version, or an SQLite without FTS5.
        OutputError: it is damaged.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError("an index of documents", got, str(path), _MAKE)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        record: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
        return connection, _checked(record, path)
    except BROKEN as error:
        connection.close()
        why = " ".join(str(error).split())[:200]
        raise InputError("an index of documents", f"another file ({why})", str(path), _MAKE) from None
    except BaseException:
        connection.close()
        raise


def _checked(record: dict[str, Any], path: Path) -> Meta:
    if record.get("format") != INDEX_FORMAT:
        raise InputError("an index of documents", "an SQLite file of another program", str(path), _MAKE)
    version = str(record.get("version", ""))
    if not version.isdigit() or int(version) != INDEX_VERSION:
        raise InputError(
            f"an index of version {INDEX_VERSION}", f"version {version}", str(path),
            "Rebuild it from the documents, or install the Edgewright version that built it",
        )  # fmt: skip
    try:
        return msgspec.json.decode(record["figures"], type=Meta)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from None


def damaged(path: Path, why: str) -> OutputError:
    """Return an index that opens but does not hold together."""
    return OutputError(
        "an index that can be read", " ".join(why.split())[:200], str(path), "Rebuild it from the documents"
    )
