"""Opening an index: one file, read-only, of a version that is known."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from edgewright.schema.documents import INDEX_FORMAT, INDEX_VERSION, Indexed
from edgewright.schema.errors import InputError, OutputError

BROKEN = (sqlite3.Error, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What reading an index that does not hold together can raise: text that is none, places beyond an array."""
_MAKE = "Make one with: edgewright language index MANUAL.pdf --out INDEX"


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a whole index.

    Attributes:
        held: what it holds.
        sections: their number.
        sentence_words: mean of the words of a sentence, in words that say something.
        passage_words: mean of the words of a passage, its headings' included.
    """

    held: Indexed
    sections: int
    sentence_words: float
    passage_words: float


def open_index(path: Path) -> tuple[sqlite3.Connection, Meta]:
    """The connection and the figures of an index.

    Raises:
        InputError: no such file, no index, an index of a newer version, or an SQLite without FTS5.
        OutputError: it is damaged.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError("an index of documents", got, str(path), _MAKE)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        told: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
        return connection, _checked(told, path)
    except BROKEN as error:
        connection.close()
        why = " ".join(str(error).split())[:200]
        raise InputError("an index of documents", f"another file ({why})", str(path), _MAKE) from None
    except BaseException:
        connection.close()
        raise


def _checked(told: dict[str, Any], path: Path) -> Meta:
    if told.get("format") != INDEX_FORMAT:
        raise InputError("an index of documents", "an SQLite file of something else", str(path), _MAKE)
    version = str(told.get("version", ""))
    if not version.isdigit() or int(version) != INDEX_VERSION:
        raise InputError(
            f"an index of version {INDEX_VERSION}", f"version {version}", str(path),
            "Make it anew from the documents, or install the Edgewright that made it",
        )  # fmt: skip
    try:
        return msgspec.json.decode(told["figures"], type=Meta)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from None


def damaged(path: Path, why: str) -> OutputError:
    """An index that opens but does not hold together."""
    return OutputError(
        "an index that can be read", " ".join(why.split())[:200], str(path), "Make it anew from the documents"
    )
