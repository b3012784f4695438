"""Rows of a Parquet file, or of all Parquet files of a folder, each one a recording."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.clocks.reader import parts_of
from edgewright.core.clocks.reader import text_of as joined_text
from edgewright.core.csv.formats import text_of
from edgewright.core.errors import DataKindUnknownError, InputError, ParquetDamagedError
from edgewright.core.records.data import DataSet, Floats, Labels
from edgewright.data.contract import PARQUET, Source, need_path, some_files
from edgewright.data.polars import pl
from edgewright.data.table_reader import FileTableConfig, RowStore, read_loaded, read_recordings
from edgewright.data.tabular import (
    Table,
    TableConfig,
    data_set,
    read_time,
    refuse_infinite,
    text_columns,
    to_recording,
)
from edgewright.data.targets import piece_rows


class ParquetConfig(FileTableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of Parquet rows."""


def read_table(path: Path, config: TableConfig, name: str) -> Table:
    """Return the rows of one file.

    Raises:
        InputError: for a file that is no Parquet, or a column of text or lists where numbers are expected.
    """
    return read_loaded(path, name, config, _pieces)


def _pieces(path: Path, config: TableConfig, name: str) -> Iterator[Table]:
    """Yield the rows of one file, some thousands at a time."""
    try:
        scan = pl.scan_parquet(path)
        kinds = scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(error, name) from error
    numbers = _numbers(kinds, config, name)
    texts = sorted({config.target, config.group, config.session, config.time, *config.categories} - {""})
    scan = scan.select(
        list(dict.fromkeys([*numbers, *(h for text in texts for h in parts_of(text, kinds) or (text,))]))
    )
    step, start = piece_rows(8 * len(kinds)), 0
    while True:
        try:
            frame = scan.slice(start, step).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(error, name) from error
        if not frame.height:
            return
        values, row_name = _values(frame, numbers), partial(_row_name, name, start)
        refuse_infinite(values, numbers, row_name)
        cells = {text: joined_text(text, frame.columns, partial(_cells, frame)) for text in texts}
        yield Table(name=name, names=tuple(numbers), values=values, text=cells, row_name=row_name)
        start += step


def _cells(frame: pl.DataFrame, column: str) -> Labels:
    return text_of(frame[column])


def _row_name(name: str, before: int, row: int) -> str:
    """Where a row stands, for errors."""
    return f"{name} row {before + row + 1}"


def _broken(error: Exception, name: str) -> InputError:
    return ParquetDamagedError("a whole Parquet file", str(error).splitlines()[0][:120], name)


def _numbers(kinds: pl.Schema, config: TableConfig, name: str) -> list[str]:
    """Return the columns that are read as numbers.

    Raises:
        InputError: one of them is text, a time or a list.
    """
    text = text_columns(config, list(kinds), name)
    numbers = [column for column in kinds if column not in text]
    for column in numbers:
        kind = kinds[column]
        if not (kind.is_numeric() or kind == pl.Boolean):
            raise DataKindUnknownError(
                "a column of numbers", f"{kind}", f"{name} column {column}",
                f"Name {column!r} in ignore, or its texts in categories",
            )  # fmt: skip
    return numbers


def _values(frame: pl.DataFrame, numbers: list[str]) -> Floats:
    values = np.empty((frame.height, len(numbers)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for index, column in enumerate(numbers):
            values[:, index] = frame[column].cast(pl.Float64).to_numpy()
    return values


def _count(files: list[Path]) -> int:
    """Return the rows of all files; 0 where one is damaged, which reading it says better."""
    try:
        return sum(int(pl.scan_parquet(file).select(pl.len()).collect().item()) for file in files)
    except (pl.exceptions.PolarsError, OSError):
        return 0


def load(config: ParquetConfig, seed: int, folder: Path | None = None) -> DataSet:
    """Read the rows, large ones into a file in `folder`; the seed is not used.

    Recordings of values on disk without a session are named by their number, which sorts like the names of their files
    and takes less room in every row.
    """
    path = need_path(config.path, "a Parquet file or a folder of them")
    files = sorted(p for p in path.iterdir() if p.name.lower().endswith(PARQUET)) if path.is_dir() else [path]
    if not files:
        raise ParquetDamagedError("at least one Parquet file", "none", config.path)
    files = some_files(files, config.files)
    named = [(file, file.name) for file in files]
    store = RowStore(folder, config.in_parts, _count(files))
    tables, recordings = read_recordings(
        named, config, _pieces, store, lambda table: (table, to_recording(table, config, read_time(table, config)))
    )
    if store.on_disk:
        digits = len(str(len(files) - 1))
        recordings = [
            msgspec.structs.replace(recording, name=f"{number:0{digits}}")
            for number, recording in enumerate(recordings)
        ]
    return data_set(recordings, tables[0].names, config, name=config.path, seen=store.seen)


SOURCE = Source(config=ParquetConfig, load=load, in_parts=load)
