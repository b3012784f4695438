"""Vectors of an index: int8 in the file, scalar products block by block."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from edgewright.nlp.documents.schema import Vectors

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
        """Blocks one after the other: float32 rows that still lack their scales, and the scales."""
        cursor = self._connection.execute("SELECT rows, scales FROM vectors WHERE of = ? ORDER BY first", (self._of,))
        for rows, scales in cursor:
            wide = np.frombuffer(rows, np.int8).reshape(-1, self._dimensions).astype(np.float32)
            yield wide, np.frombuffer(scales, "<f4")
