"""Rows of a CSV file, or of all CSV files of a folder, each one a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import rate_of
from edgewright.core.csv.header import Header
from edgewright.core.csv.rows import BadLines, iter_csv, open_csv
from edgewright.core.csv.text import NumberForm, only_form, plain_cells
from edgewright.core.errors import CsvEmptyError, InputError, OptionsConflictError
from edgewright.core.formatting import is_date
from edgewright.core.records.data import DataSet, Labels, Numerals, Recording
from edgewright.data.contract import SUFFIXES, Source, files_of, need_path, some_files
from edgewright.data.labels import LabelUnit, marked, read_marks
from edgewright.data.table_reader import (
    FileTableConfig,
    RowStore,
    list_bad_rows,
    read_loaded,
    read_recordings,
    skip_bad_rows,
)
from edgewright.data.tabular import Table, TableConfig, data_set, read_time, text_columns, to_recording
from edgewright.data.targets import read_target


class CsvConfig(FileTableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of CSV rows.

    Attributes:
        delimiter: between cells; found among comma, semicolon, tab and bar when left out.
        labels: path of a CSV of events with the columns start, end, label (and file for a folder); rows from start up
            to, but not with, end get the label, rows outside every event stay unlabelled.
        labels_in: what start and end count: 'seconds' or 'samples'; 'auto' takes samples where the columns are called
            start_sample and end_sample or no time is known.
    """

    delimiter: str = ""
    labels: str = ""
    labels_in: LabelUnit = "auto"


def files_in(path: Path) -> list[Path]:
    """Return the CSV files of a folder in the order of their names; without any, the other tables of one kind."""
    named = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES["csv"]))
    return files_of(named, path.name)


def read_table(path: Path, config: TableConfig, name: str) -> Table:
    """Return the rows of one file; a target in numbers as a program writes them.

    Raises:
        InputError: with file, line and column.
    """
    headers: dict[str, Header] = {}
    table = read_loaded(path, name, config, partial(_pieces, headers=headers))
    return _with_target(table, headers[name], config)


def _pieces(path: Path, config: TableConfig, name: str, *, headers: dict[str, Header]) -> Iterator[Table]:
    """Yield the rows of one file, block by block; its header goes to `headers`."""
    delimiter = getattr(config, "delimiter", "")
    try:
        yield from _tables(path, config, name, delimiter, headers)
    except InputError as error:
        if error.expected == "a number" and error.do.startswith("Correct or empty"):
            column = error.where.rpartition("column ")[2]
            part = "as time" if is_date(error.got.strip("'")) else "in ignore, or its texts in categories"
            do = f"Correct or empty the cell, or name the column {column!r} {part}"
            error = InputError(error.expected, error.got, error.where, do, code=error.code)
        raise (error if config.skip_bad_rows else list_bad_rows(error, path, name, delimiter)) from None


def _tables(path: Path, config: TableConfig, name: str, delimiter: str, headers: dict[str, Header]) -> Iterator[Table]:
    bad = BadLines(name) if config.skip_bad_rows else None
    opened = open_csv(path, name, delimiter or None, bad=bad)
    text = text_columns(config, opened.columns, f"{name} line 1")
    parts = {config.target, config.group, config.session, *config.categories}
    blocks = iter_csv(
        opened,
        name=name,
        text_columns=[column for column in text if column in parts],
        time_columns=[config.time] if config.time else (),
        ignored_columns=[column for column in text if column not in {*parts, config.time}],
        bad=bad,
    )
    if bad is not None:
        names = [column for column in (config.group, config.session) if column]
        blocks = skip_bad_rows(blocks, bad, config.time, config.time_unit, names)
    for rows in blocks:
        headers[name] = rows.header
        units = {column: unit for column in (*rows.names, config.time) if (unit := rows.header.unit(column))}
        yield Table(
            name=name,
            names=rows.names,
            values=rows.values,
            text=rows.text,
            row_name=partial(_line, name, _without_gaps(rows.lines)),
            units={**rows.header.units, **units},
            numerals={column: own for column in rows.names if isinstance(own := rows.numerals(column), Numerals)},
        )


def _without_gaps(lines: NDArray[np.int64]) -> Sequence[int]:
    """Return lines that follow each other as a range, which takes no memory."""
    first, end = int(lines[0]), int(lines[-1]) + 1
    return range(first, end) if end - first == len(lines) else lines.tolist()


def _line(name: str, lines: Sequence[int], row: int) -> str:
    return f"{name} line {lines[row]}"


def _with_target(table: Table, header: Header, config: TableConfig) -> Table:
    """Return a table whose target is written as a program writes numbers where all its cells are."""
    if config.target not in header.forms:
        return table
    cells = table.text[config.target]
    plain = _target(cells, header.forms[config.target], config.text_labels, f"{table.name}, column {config.target}")
    unit = "" if plain is cells else header.unit(config.target)
    units = {**table.units, config.target: unit} if unit else table.units
    return replace(table, text={**table.text, config.target: plain}, units=units)


def _target(cells: Labels, forms: Sequence[NumberForm], text_labels: Sequence[str], where: str) -> Labels:
    """Return the cells of a target as a program writes numbers where all of them are; else as they are.

    Raises:
        InputError: numbers with two units, or that can be read in two ways.
    """
    plain = plain_cells(cells, forms)
    if read_target(plain).dtype.kind != "f" or set(text_labels) & set(cells.tolist()):
        return cells
    only_form(forms, cells.tolist(), where)
    return plain


def load(config: CsvConfig, seed: int, folder: Path | None = None) -> DataSet:
    """Read the rows, large ones into a file in `folder`; the seed is not used."""
    path = need_path(config.path, "a CSV file or a folder of them")
    files = files_in(path) if path.is_dir() else [path]
    if not files:
        raise CsvEmptyError("at least one CSV file", "none", config.path)
    if config.labels and config.target:
        raise OptionsConflictError("target or labels", "both", f"target = {config.target!r}")
    marks = read_marks(Path(config.labels)) if config.labels else None
    alone, files = len(files) == 1, some_files(files, config.files)
    store, named = RowStore(folder, config.in_parts), [(file, file.name) for file in files]

    headers: dict[str, Header] = {}

    def make(table: Table) -> tuple[Table, Recording]:
        table = _with_target(table, headers[table.name], config) if table.name in headers else table
        clock = read_time(table, config)
        rate, origin = (config.rate or rate_of(clock.seconds), clock.origin) if clock else (config.rate, 0.0)
        recording = to_recording(table, config, clock)
        return table, marked(recording, marks, config.labels_in, alone=alone, rate=rate, origin=origin)

    tables, recordings = read_recordings(named, config, partial(_pieces, headers=headers), store, make)
    target = "label" if marks else config.target
    return data_set(
        recordings, tables[0].names, config, name=config.path, target_name=target, seen=store.seen, tables=tables
    )


SOURCE = Source(config=CsvConfig, load=load, in_parts=load)
