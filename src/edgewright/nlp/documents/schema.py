"""What stands where in the file of an index.

Words are numbered: the full-text table holds the numbers as text, so no tokeniser of SQLite decides what a word is, the
same on every version, and nothing that a person types becomes part of a query's grammar. A passage also holds its word
numbers sentence by sentence, so that sentences are scored with NumPy and no text is taken apart at a question.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    """Integers as the index holds them: 32 bits, little end first."""
    return values.astype("<i4").tobytes()


def unpacked(blob: bytes) -> Integers:
    """The integers again."""
    return np.frombuffer(blob, "<i4")


def quantised(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """Rows in int8 and one scale a row: `rows * scales[:, None]` is near `vectors`.

    Args:
        vectors: shape (n, d).

    Returns:
        int8 of shape (n, d), float32 of shape (n,).
    """
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales
