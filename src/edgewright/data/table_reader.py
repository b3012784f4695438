"""Read files of rows in pieces: values in memory, or in a file without a name where they are many."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import FileCount
from edgewright.data.row_spool import Spool
from edgewright.data.tabular import Table, TableConfig, input_names, with_categories, without_missing_values
from edgewright.schema.data import Floats, Labels, Recording
from edgewright.schema.errors import InputError

# Values beyond this many bytes of float32 are read from disk; a run takes some five times as much for those it loads.
LOAD_BYTES = 2**27
# An array grows by at least so many bytes at a time, and by an eighth.
_STEP_BYTES, _STEP_SHARE = 2**24, 8

Pieces = Callable[[Path, TableConfig, str], Iterator[Table]]
"""Yields the rows of a file, some thousands at a time; errors as of the source, with the place of a row."""
InParts = Literal["auto", "always", "never"]


class FileTableConfig(TableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of files of rows.

    Attributes:
        in_parts: 'auto' has `edgewright run` read values beyond 128 MiB from disk while it trains, 'always' and 'never'
            decide. Windows, augmentation and [scaling] need the values in memory.
        files: number of files of a folder that are read, drawn by chance; 0 for all.
    """

    in_parts: InParts = "auto"
    files: FileCount = 0


@dataclass
class RowStore:
    """Rows of values, which are appended piece by piece.

    Attributes:
        folder: for a file without a name; None keeps all values in memory.
        in_parts: when the values go there: 'always', 'never' or, with 'auto', above `LOAD_BYTES`.
        expected: rows that there will be, for a message about the disk; 0 where nobody knows.
        count: rows so far.
        seen: which columns hold a value.
    """

    folder: Path | None = None
    in_parts: InParts = "auto"
    expected: int = 0
    count: int = 0
    seen: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, np.bool_))
    _loaded: Floats | None = None
    _spool: Spool | None = None

    def append(self, values: Floats) -> None:
        """Append rows of shape (n, columns).

        Raises:
            OutputError: the disk is full.
        """
        columns = values.shape[1]
        self.count += len(values)
        self.seen = self.seen | ~np.isnan(values).all(axis=0)
        beyond = self.in_parts == "always" or self.count * columns * 4 > LOAD_BYTES
        if self.folder is not None and self.in_parts != "never" and beyond and self._spool is None:
            self._spool = Spool(self.folder, columns, max(self.expected, self.count))
            if self._loaded is not None:
                self._spool.append(self._loaded[: self.count - len(values)])
                self._loaded = None
        if self._spool is not None:
            self._spool.append(values)
            return
        if self._loaded is None:
            self._loaded = np.empty((0, columns), np.float32)
        if len(self._loaded) < self.count:
            more = max(_STEP_BYTES // max(1, 4 * columns), len(self._loaded) // _STEP_SHARE, len(values))
            # Memory that grows where it is: two arrays of all rows exist at no time.
            self._loaded.resize((len(self._loaded) + more, columns), refcheck=False)
        self._loaded[self.count - len(values) : self.count] = values

    @property
    def on_disk(self) -> bool:
        """Whether the values are in a file."""
        return self._spool is not None

    def rows(self, start: int, end: int) -> Any:  # noqa: ANN401 - an array, or rows in a file
        """Return the rows from `start` to `end`, once all are appended."""
        if self._spool is not None:
            return self._spool.rows(start, end)
        if self._loaded is not None and len(self._loaded) > self.count:
            self._loaded.resize((self.count, self._loaded.shape[1]), refcheck=False)
        return np.empty((0, 0), np.float32) if self._loaded is None else self._loaded[start:end]


def read_tables(
    files: Iterable[tuple[Path, str]], config: TableConfig, pieces: Pieces, store: RowStore | None = None
) -> list[Table]:
    """Read files of the same columns: their values in the order of a model, the texts beside them in memory.

    Args:
        files: paths, and their names for messages.
        config: which column plays which part.
        pieces: of the source.
        store: for the values of all of them; memory when left out.

    Raises:
        InputError: a file without rows or with other columns than the first, or as `pieces`.
        OutputError: the disk is full.
    """
    store = store or RowStore()
    tables = list(_without_values(files, config, pieces, store))
    return [replace(table, values=rows) for table, rows in zip(tables, _rows_of(tables, store), strict=True)]


def read_recordings(
    files: Iterable[tuple[Path, str]],
    config: TableConfig,
    pieces: Pieces,
    store: RowStore,
    make: Callable[[Table], tuple[Table, Recording]],
) -> tuple[list[Table], list[Recording]]:
    """Read files of the same columns; the recording of a file takes the place of its texts before the next is read.

    Args:
        files: paths, and their names for messages.
        config: which column plays which part.
        pieces: of the source.
        store: for the values of all of them.
        make: returns the table of a file as it is meant, and its recording; values are zeros as yet.

    Returns:
        Tables without texts, and recordings.

    Raises:
        InputError: as `read_tables` and `make`.
        OutputError: the disk is full.
    """
    tables: list[Table] = []
    recordings: list[Recording] = []
    for table in _without_values(files, config, pieces, store):
        table, recording = make(table)
        recordings.append(recording)
        tables.append(replace(table, text={}))
    spans = _rows_of(tables, store)
    tables = [replace(table, values=rows) for table, rows in zip(tables, spans, strict=True)]
    return tables, [msgspec.structs.replace(own, values=rows) for own, rows in zip(recordings, spans, strict=True)]


def _without_values(
    files: Iterable[tuple[Path, str]], config: TableConfig, pieces: Pieces, store: RowStore
) -> Iterator[Table]:
    """Yield each file's table with zeros, which take no memory, in place of the values that go to the store."""
    first: Table | None = None
    for path, name in files:
        before = store.count
        table = _read(pieces(path, config, name), config, store, first, name)
        table = replace(table, values=np.broadcast_to(np.float32(0.0), (store.count - before, len(table.names))))
        first = first or replace(table, text={})
        yield table


def _rows_of(tables: Sequence[Table], store: RowStore) -> list[Any]:
    """Return the values of each table, once all are in the store."""
    ends = np.cumsum([len(table.values) for table in tables]).tolist()
    return [store.rows(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _read(pieces: Iterable[Table], config: TableConfig, store: RowStore, first: Table | None, name: str) -> Table:
    """Append the values of one file to the store; return all else of it."""
    texts: dict[str, list[Labels]] = {}
    places, last, names = _Places(), None, first.names if first else ()
    for piece in pieces:
        last = with_categories(without_missing_values(piece, config), config)
        names = names or input_names(config, last.names)
        values = last.values[:, column_order(names, last, first.name if first else name)]
        places.add(store.count, piece.row_name)
        store.append(values)
        for column, cells in piece.text.items():
            if column not in config.categories:
                texts.setdefault(column, []).append(cells)
    if last is None:
        raise InputError("rows", "none", name)
    return replace(
        last, names=names, values=np.empty((0, 0), np.float32), row_name=places.row_name,
        text={column: _joined(cells) for column, cells in texts.items()},
    )  # fmt: skip


def _joined(cells: list[Labels]) -> Labels:
    """Return the cells of a column; one that is the same in all rows is not written for every row."""
    whole = np.concatenate(cells)
    same = len(whole) and bool((whole == whole[0]).all())
    return np.broadcast_to(whole[:1].copy(), len(whole)) if same else whole


@dataclass
class _Places:
    """Where the rows of a file stand, by those of its pieces."""

    starts: list[int] = field(default_factory=list)
    row_names: list[Callable[[int], str]] = field(default_factory=list)

    def add(self, start: int, row_name: Callable[[int], str]) -> None:
        self.starts.append(start)
        self.row_names.append(row_name)

    def row_name(self, row: int) -> str:
        row += self.starts[0]
        piece = bisect_right(self.starts, row) - 1
        return self.row_names[piece](row - self.starts[piece])


def column_order(names: Sequence[str], table: Table, first: str) -> list[int]:
    """Return the places of columns in a table that has the same ones.

    Args:
        names: of the columns that count.
        table: with these and no others.
        first: name of the file that they are of.

    Raises:
        InputError: naming both files when one has other columns.
    """
    if odd := sorted(set(names) ^ set(table.names)):
        raise InputError(
            f"the columns of {first}", f"a difference in {', '.join(odd)}", table.name,
            "Name the columns that all files have in columns",
        )  # fmt: skip
    return [table.names.index(name) for name in names]


def same_columns(tables: list[Table]) -> list[Table]:
    """Return the tables with their columns in the order of the first one.

    Raises:
        InputError: naming both files when one has other columns.
    """
    first = tables[0]
    orders = [column_order(first.names, table, first.name) for table in tables]
    usual = list(range(len(first.names)))
    return [
        table if order == usual else replace(table, names=first.names, values=table.values[:, order])
        for table, order in zip(tables, orders, strict=True)
    ]
