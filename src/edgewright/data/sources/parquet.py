"""Rows of a Parquet file, or of all Parquet files of a folder, each one a recording; in parts where they are large."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgewright.core.clocks.texts import parts_of
from edgewright.core.clocks.texts import text_of as joined_text
from edgewright.core.csv.formats.parquet import text_of
from edgewright.data.contract import PARQUET, Source, need_path
from edgewright.data.polars import pl
from edgewright.data.row_spool import Spool, piece_rows
from edgewright.data.sources.csv import same_columns
from edgewright.data.tabular import (
    Table,
    TableConfig,
    data_set,
    input_names,
    read_time,
    refuse_infinite,
    text_columns,
    to_recording,
    with_categories,
)
from edgewright.schema.data import DataSet, Labels
from edgewright.schema.errors import InputError

SUFFIXES = PARQUET
# Values beyond this many bytes of float32 are read in parts; a run takes some five times as much for those it loads.
LOAD_BYTES = 2**30


class ParquetConfig(TableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of Parquet rows.

    Attributes:
        in_parts: 'auto' has `edgewright run` read values beyond 1 GiB from disk while it trains, 'always' and 'never'
            decide. Windows, augmentation and [scaling] need the values in memory.
    """

    in_parts: Literal["auto", "always", "never"] = "auto"


def read_table(path: Path, config: TableConfig, name: str) -> Table:
    """Return the rows of one file.

    Raises:
        InputError: for a file that is no Parquet, or a column of text or lists where numbers are expected.
    """
    try:
        frame = pl.read_parquet(path, use_pyarrow=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _broken(error, name) from error
    numbers = _numbers(frame.schema, config, name)
    table = Table(
        name=name,
        names=tuple(numbers),
        values=_values(frame, numbers),
        text={column: _text(frame, column) for column in _texts(config)},
        row_name=lambda row: f"{name} row {row + 1}",
    )
    return with_categories(table, config)


def _text(frame: pl.DataFrame, column: str) -> Labels:
    return joined_text(column, frame.columns, lambda name: text_of(frame[name]))


def _texts(config: TableConfig) -> list[str]:
    """Return the columns that are read as text."""
    return sorted({config.target, config.group, config.session, config.time, *config.categories} - {""})


def _broken(error: Exception, name: str) -> InputError:
    return InputError("a whole Parquet file", str(error).splitlines()[0][:120], name)


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
            raise InputError(
                "a column of numbers", f"{kind}", f"{name} column {column}",
                f"Name {column!r} in ignore, or its texts in categories",
            )  # fmt: skip
    return numbers


def _values(frame: pl.DataFrame, numbers: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    values = np.empty((frame.height, len(numbers)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for index, column in enumerate(numbers):
            values[:, index] = frame[column].cast(pl.Float64).to_numpy()
    return values


def _files(config: ParquetConfig) -> list[Path]:
    """Return the files in the order of their names.

    Raises:
        InputError: there is none.
    """
    path = need_path(config.path, "a Parquet file or a folder of them")
    files = sorted(p for p in path.iterdir() if p.name.lower().endswith(SUFFIXES)) if path.is_dir() else [path]
    if not files:
        raise InputError("at least one Parquet file", "none", config.path)
    return files


def load(config: ParquetConfig, seed: int) -> DataSet:
    """Read the rows; the seed is not used."""
    tables = same_columns([read_table(file, config, file.name) for file in _files(config)])
    recordings = [to_recording(table, config, read_time(table, config)) for table in tables]
    return data_set(recordings, input_names(config, tables[0].names), config, name=config.path)


def in_parts(config: ParquetConfig, seed: int, folder: Path) -> DataSet | None:
    """Return the same data set with its values in a file without a name in `folder`; None where they are better loaded.

    What rows are called by (target, group, session, time) stays in memory. Recordings without a session are named by
    their number, which sorts like the names of their files and takes less room in every row.

    Raises:
        InputError: as `load`, before anything is written where the files' schemas tell.
        OutputError: no room on the disk.
    """
    if config.in_parts == "never":
        return None
    files = _files(config)
    lengths, names = _shape(files, config)
    if config.in_parts == "auto" and sum(lengths) * len(names) * 4 <= LOAD_BYTES:
        return None
    spool, recordings = Spool(folder, len(names), sum(lengths)), []
    digits = len(str(len(files) - 1))
    for number, (file, length) in enumerate(zip(files, lengths, strict=True)):
        start = spool.count
        table = _spooled(file, length, names, config, spool)
        plain = msgspec.structs.replace(config, columns=(), categories={})
        recording = to_recording(table, plain, read_time(table, config))
        rows = spool.rows(start)
        recordings.append(msgspec.structs.replace(recording, name=f"{number:0{digits}}", values=rows))
    return data_set(recordings, names, config, name=config.path, seen=[bool(seen) for seen in spool.seen])


def _shape(files: list[Path], config: ParquetConfig) -> tuple[list[int], tuple[str, ...]]:
    """Return rows of every file, and the columns that are numbers in all of them; reads the files' ends only."""
    tables = []
    lengths = []
    for file in files:
        try:
            kinds = pl.Schema(pl.read_parquet_schema(file))
            lengths.append(int(pl.scan_parquet(file).select(pl.len()).collect().item()))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(error, file.name) from error
        numbers = tuple(_numbers(kinds, config, file.name))
        if not lengths[-1]:
            raise InputError("rows", "none", file.name)
        texts = {column: np.empty(0, np.str_) for column in config.categories}
        table = Table(name=file.name, names=numbers, values=np.empty((0, len(numbers)), np.float32), text=texts)
        tables.append(with_categories(table, config))
    tables = same_columns(tables)
    return lengths, input_names(config, tables[0].names)


def _row_name(name: str, before: int, row: int) -> str:
    """Where a row stands, for errors."""
    return f"{name} row {before + row + 1}"


def _spooled(file: Path, length: int, names: tuple[str, ...], config: ParquetConfig, spool: Spool) -> Table:
    """Write the values of one file to the spool; give what the rows are called by, without values."""
    parts = [column for column in _texts(config) if column not in config.categories]
    text: dict[str, list[Labels]] = {part: [] for part in parts}
    step = piece_rows(8 * len(names))
    scan = pl.scan_parquet(file)
    numbers = [column for column in names if column in scan.collect_schema()]
    schema = scan.collect_schema()
    halves = [half for name in _texts(config) for half in parts_of(name, schema) or (name,)]
    scan = scan.select(list(dict.fromkeys([*numbers, *halves])))
    for start in range(0, length, step):
        try:
            frame = scan.slice(start, step).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _broken(error, file.name) from error
        where = partial(_row_name, file.name, start)
        texts = {column: text_of(frame[column]) for column in config.categories}
        piece = Table(name=file.name, names=tuple(numbers), values=_values(frame, numbers), text=texts, row_name=where)
        piece = with_categories(piece, config)
        values = piece.values[:, [piece.names.index(name) for name in names]]
        refuse_infinite(values, names, where)
        spool.append(values)
        for part in parts:
            text[part].append(_text(frame, part))
    return Table(
        name=file.name,
        names=(),
        values=np.empty((length, 0), np.float32),
        text={part: np.concatenate(pieces) for part, pieces in text.items()},
        row_name=partial(_row_name, file.name, 0),
    )


SOURCE = Source(config=ParquetConfig, load=load, suffixes=SUFFIXES, in_parts=in_parts)
