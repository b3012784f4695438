"""The peer of document search: SQLite's FTS5 as it comes, all words of the question joined with OR."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence


class PlainSearch:
    """A table of titles and texts, in memory.

    Args:
        texts: (title, text) of each.
    """

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.execute("CREATE VIRTUAL TABLE texts USING fts5(title, body)")
        rows = ((number, *text) for number, text in enumerate(texts))
        self._connection.executemany("INSERT INTO texts (rowid, title, body) VALUES (?, ?, ?)", rows)

    def best(self, question: str, top: int) -> list[int]:
        """Return numbers of the best texts."""
        words = dict.fromkeys(re.findall(r"\w+", question.lower()))
        requested = " OR ".join(f'"{word}"' for word in words)
        sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
        return [int(row) for (row,) in self._connection.execute(sql, (requested, top))]
