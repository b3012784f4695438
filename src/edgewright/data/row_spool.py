"""Rows in a file without a name: written once in pieces, read in pieces, gone with the process however it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import OutputError
from edgewright.core.records.data import Floats

# What is read or written at once; a few copies of it exist at a time.
PIECE_BYTES = 8 * 2**20
PIECE_ROWS = 65_536
# Rows that lie so near each other in the file are read together with what is between them.
_GAP_BYTES = 16_384


def piece_rows(row_bytes: int) -> int:
    """How many rows are read, transformed or answered at once: a power of two."""
    maximum = max(1, min(PIECE_ROWS, PIECE_BYTES // max(1, row_bytes)))
    return 1 << (maximum.bit_length() - 1)


class _File:
    """A file without a name, closed (and its room on disk given back) with the last rows that refer to it."""

    def __init__(self, folder: Path) -> None:
        with tempfile.TemporaryFile(dir=folder) as file:
            self.number = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.number)


class Spool:
    """The file while it is written.

    Args:
        folder: where it lies; it never has a name there, so a killed process leaves nothing.
        columns: of every row.
        rows: how many there will be, at least.

    Raises:
        OutputError: the disk has no room for them.
    """

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.columns = columns
        self.folder = folder
        self.wanted = rows * columns * 4
        self.count = 0
        free = shutil.disk_usage(folder).free
        if free < self.wanted:
            raise self._full(f"{free / 1e9:.2f} GB free")
        self._file = _File(folder)

    def append(self, values: Floats) -> None:
        """Write rows of shape (n, columns).

        Raises:
            OutputError: the disk is full.
        """
        given = memoryview(np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            while given:
                given = given[os.write(self._file.number, given) :]
        except OSError as error:
            self.wanted = max(self.wanted, (self.count + len(values)) * self.columns * 4)
            raise self._full(error.strerror or str(error)) from None
        self.count += len(values)

    def rows(self, start: int = 0, end: int | None = None) -> SpooledRows:
        """Return the rows from `start` to `end`, once they are written."""
        return SpooledRows(self._file, self.columns, np.arange(start, self.count if end is None else end))

    def _full(self, got: str) -> OutputError:
        return OutputError(
            f"room for {self.wanted / 1e9:.2f} GB of rows that are read in parts", got, str(self.folder),
            "Temporary files were removed; free some space, or name another folder with --out",
        )  # fmt: skip


class SpooledRows:
    """Rows of a spool that are read when they are asked for; as much of an array as a pipeline needs.

    Args:
        file: of the spool, float32, row by row.
        columns: of every row.
        places: which rows of the file, in order.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, file: _File, columns: int, places: NDArray[np.int64]) -> None:
        self._file, self._columns, self._places = file, columns, places

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._places), self._columns

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, which: Any) -> Floats:  # noqa: ANN401 - as of an array: a row, a slice, indices or a mask
        if isinstance(which, int | np.integer):
            row: Floats = self._read(self._places[int(which)][None])[0]
            return row
        return self._read(self._places[which])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        """All rows in memory, for who cannot do without."""
        return np.asarray(self[:], dtype)

    def part(self, indices: NDArray[Any]) -> SpooledRows:
        """Return some of the rows, still in the file."""
        return SpooledRows(self._file, self._columns, self._places[indices])

    def pieces(self) -> Iterator[Floats]:
        """All rows in order, a piece at a time."""
        step = piece_rows(4 * self._columns)
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def _read(self, places: NDArray[np.int64]) -> Floats:
        """Return rows of the file in any order; what lies close together is read at once."""
        rows = np.empty((len(places), self._columns), np.float32)
        if not len(places):
            return rows
        width = 4 * self._columns
        order = np.argsort(places, kind="stable")
        near = places[order]
        borders = np.flatnonzero(np.diff(near) * width > _GAP_BYTES + width) + 1
        step = piece_rows(width)
        for run in np.split(np.arange(len(near)), borders):
            at = 0
            while at < len(run):
                end = int(np.searchsorted(near[run], near[run[at]] + step))
                part, at = run[at:end], end
                first, last = int(near[part[0]]), int(near[part[-1]])
                data = self._bytes(first * width, (last - first + 1) * width)
                rows[order[part]] = data.reshape(-1, self._columns)[near[part] - first]
        return rows

    def _bytes(self, offset: int, size: int) -> Floats:
        data = np.empty(size // 4, np.float32)
        view = memoryview(data.view(np.uint8))  # type: ignore[arg-type]
        while view:
            read = os.preadv(self._file.number, [view], offset)
            if not read:
                raise OutputError("the rows that were written to disk", "the end of the file", "rows read in parts")
            view, offset = view[read:], offset + read
        return data


def in_file(X: object) -> SpooledRows | None:
    """Return samples that lie on disk; None for an array."""
    return X if isinstance(X, SpooledRows) else None


def joined(values: Sequence[Any], keep: Sequence[NDArray[np.bool_]]) -> Any:  # noqa: ANN401 - arrays or spooled rows
    """Return the kept rows of several recordings, in one array or still in their files; one kept whole as is."""
    if values and all(isinstance(rows, SpooledRows) for rows in values):
        places = np.concatenate([rows._places[kept] for rows, kept in zip(values, keep, strict=True)])
        return SpooledRows(values[0]._file, values[0]._columns, places)
    if len(values) == 1 and keep[0].all():
        return values[0]
    return np.concatenate([rows[kept] for rows, kept in zip(values, keep, strict=True)])
