"""Read files of rows in pieces: values in memory, or in a file without a name where they are many."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ClockReader
from edgewright.core.csv.rows import MAX_SHARE, BadLines, Rows, iter_csv, open_csv
from edgewright.core.csv.text import plain_cells
from edgewright.core.errors import (
    CsvBadRowsError,
    CsvColumnsDifferError,
    CsvEmptyError,
    CsvNumberError,
    DataWarning,
    InputError,
)
from edgewright.core.formatting import MISSING_NUMBERS, is_number, percent, plural
from edgewright.core.records.data import Floats, Labels, Recording
from edgewright.data.contract import FileCount
from edgewright.data.matching import is_text
from edgewright.data.tabular import Table, TableConfig, input_names, with_categories, without_missing_values
from edgewright.data.targets import Spool

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


def read_loaded(path: Path, name: str, config: TableConfig, pieces: Pieces) -> Table:
    """Read a file into memory, its values in the order of a model.

    Raises:
        InputError: a file without rows, or as `pieces`.
    """
    store = RowStore()
    table = _read(pieces(path, config, name), config, store, None, name)
    return replace(table, values=store.rows(0, store.count))


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
        InputError: a file without rows or with other columns than the first, or as `pieces` and `make`.
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
        raise CsvEmptyError("rows", "none", name)
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
        raise CsvColumnsDifferError(
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


KEY = "skip_bad_rows"
"""Key of [data]: whether rows and files that cannot be read are left out."""
LEAVE_OUT = f"leave them out with --skip-bad-rows ({KEY} = true in [data])"
# Files that a message lists.
_SHOWN = 8
C = TypeVar("C")
T = TypeVar("T")


def list_bad_rows(error: InputError, path: Path, name: str, delimiter: str = "") -> InputError:
    """Return an error that lists all bad lines of a file, where its first one raised an error.

    Args:
        error: that reading the file raised.
        path: path of the file.
        name: name of the file, for messages.
        delimiter: between cells; found when empty.

    Returns:
        The error itself where nothing is wrong with single lines, or with most of them.
    """
    bad = BadLines(name)
    try:
        numbers = _number_columns(path, name, delimiter)
        opened = open_csv(path, name, delimiter or None, bad=bad)
        texts = [column for column in opened.columns if column not in numbers]
        for _ in iter_csv(opened, name=name, text_columns=texts, bad=bad):
            pass
    except InputError:
        return error
    return bad.error(error, LEAVE_OUT)


def _number_columns(path: Path, name: str, delimiter: str) -> set[str]:
    """Return the columns whose first cells are numbers."""
    bad = BadLines(name)
    opened = open_csv(path, name, delimiter or None, bad=bad)
    first = next(iter_csv(opened, name=name, text_columns=opened.columns, bad=bad))
    forms = first.header.forms
    return {column for column, cells in first.text.items() if not is_text(plain_cells(cells, forms.get(column, ())))}


def skip_bad_rows(pieces: Iterator[Rows], bad: BadLines, time: str, unit: str, names: Sequence[str]) -> Iterator[Rows]:
    """Yield the rows of a file that have a time and a person or session; at its end say how many were left out.

    Args:
        pieces: of one file.
        bad: of the same file.
        time: column of times, as text; empty without.
        unit: unit of the times.
        names: columns of people and sessions.

    Raises:
        InputError: more than `MAX_SHARE` of its rows cannot be read.
    """
    clock = ClockReader(time, unit)
    for rows in pieces:
        good = np.ones(len(rows), np.bool_)
        checks = {name: rows.text[name] != "" for name in names}
        checks |= {time: np.isfinite(clock.ticks(rows.text[time].tolist()))} if time else {}
        for name, known in checks.items():
            for row in np.flatnonzero(good & ~known).tolist():
                cell, where = str(rows.text[name][row]), f"{bad.name} line {rows.lines[row]}, column {name}"
                bad.add(CsvNumberError("a time" if name == time else "a name", repr(cell), where))
            good &= known
        bad.count += int((~good).sum())
        if good.any():
            yield rows if good.all() else rows.part(good)
    bad.refuse_many()
    if bad.faults:
        warnings.warn(f"{bad.name}: left out, {bad.summary}", DataWarning, 2)


def rows_of_numbers(columns: Mapping[str, Labels]) -> NDArray[np.bool_]:
    """Return which rows hold a number, or nothing, in each column of numbers; all where many do not.

    Args:
        columns: cells by column, at least one.
    """
    good = np.ones(len(next(iter(columns.values()))), np.bool_)
    for cells in columns.values():
        if not is_text(cells):
            texts, places = np.unique(np.char.strip(cells), return_inverse=True)
            known = [is_number(text) or text.lower() in MISSING_NUMBERS for text in texts.tolist()]
            good &= np.array(known, np.bool_)[places]
    return good if good.mean() >= 1 - MAX_SHARE else np.ones(len(good), np.bool_)


def readable(
    files: Iterable[tuple[str, C]], read: Callable[[str, C], T], where: str, kind: str, *, skip: bool
) -> Iterator[T]:
    """Yield what is read of files; those that cannot be read are listed together, or left out.

    Args:
        files: names, and contents or paths.
        read: reads a file.
        where: folder, for messages.
        kind: what a file is called, for messages.
        skip: leave out files that cannot be read.

    Raises:
        InputError: files that cannot be read, or more than `MAX_SHARE` of them where they are left out.
    """
    faults: list[InputError] = []
    count = 0
    for name, content in files:
        count += 1
        try:
            result = read(name, content)
        except InputError as error:
            faults.append(error)
            continue
        if skip or not faults:  # after a fault the rest is read for its faults only
            yield result
    if not faults:
        return
    listed = "; ".join(f"{fault.where}: {fault.got}" for fault in faults[:_SHOWN])
    more = f"; and {plural(len(faults) - _SHOWN, 'more file')}" if len(faults) > _SHOWN else ""
    summary = f"{len(faults):,} of {plural(count, kind)} cannot be read: {listed}{more}"
    if skip and len(faults) <= MAX_SHARE * count:
        warnings.warn(f"{where}: left out, {summary}", DataWarning, 2)
    elif skip:
        raise CsvBadRowsError(
            f"at most {percent(MAX_SHARE)} of files that cannot be read", summary, where, "Replace them"
        )
    elif len(faults) == count:  # such as a column that no file has
        raise faults[0]
    elif len(faults) == 1:
        do = faults[0].do if LEAVE_OUT in faults[0].do else f"{faults[0].do}, or {LEAVE_OUT}".removeprefix(", or ")
        raise InputError(faults[0].expected, faults[0].got, faults[0].where, do, code=faults[0].code)
    else:
        raise CsvBadRowsError(f"{kind}s that can be read", summary, where, f"Replace them, or {LEAVE_OUT}")
