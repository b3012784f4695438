"""Rows of a CSV file, or of all CSV files of a folder, each one a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgewright.core.clocks.rates import rate_of
from edgewright.core.csv.formats import formats
from edgewright.core.csv.number_forms import NumberForm, only_form, plain_cells
from edgewright.core.csv.rows import open_csv, read_csv
from edgewright.core.units import is_date
from edgewright.data.contract import PARQUET, Source, need_path
from edgewright.data.files import files_of
from edgewright.data.labels import LabelUnit, marked, read_marks
from edgewright.data.tabular import (
    Table,
    TableConfig,
    data_set,
    input_names,
    read_time,
    text_columns,
    to_recording,
    with_categories,
)
from edgewright.data.targets import read_target
from edgewright.schema.data import DataSet, Labels, Numerals, Recording
from edgewright.schema.errors import InputError

# Parquet files have a source of their own, and so has an .npz file of windows; where that is a table it is read here.
SUFFIXES = (
    ".csv",
    ".csv.gz",
    ".csv.xz",
    ".tsv",
    ".tsv.gz",
    ".tab",
    ".dat",
    ".txt",
    ".txt.gz",
    *sorted(formats().keys() - {".npz", *PARQUET}),
)


class CsvConfig(TableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    named = sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES))
    return files_of(named, path.name)


def read_table(path: Path, config: TableConfig, name: str) -> Table:
    """Return the rows of one file.

    Raises:
        InputError: with file, line and column.
    """
    opened = open_csv(path, name, getattr(config, "delimiter", "") or None)
    text = text_columns(config, opened.columns, f"{name} line 1")
    parts = {config.target, config.group, config.session, *config.categories}
    try:
        rows = read_csv(
            opened,
            name=name,
            text_columns=[column for column in text if column in parts],
            time_columns=[config.time] if config.time else (),
            ignored_columns=[column for column in text if column not in {*parts, config.time}],
        )
    except InputError as error:
        if error.expected == "a number" and error.do.startswith("Correct or empty"):
            column = error.where.rpartition("column ")[2]
            part = "as time" if is_date(error.got.strip("'")) else "in ignore, or its texts in categories"
            do = f"Correct or empty the cell, or name the column {column!r} {part}"
            raise InputError(error.expected, error.got, error.where, do) from None
        raise
    text_cells, numbers = rows.text, [*rows.names, config.time]
    if config.target in rows.header.forms:
        forms, where = rows.header.forms[config.target], f"{name}, column {config.target}"
        cells = _target(text_cells[config.target], forms, config.text_labels, where)
        numbers += [] if cells is text_cells[config.target] else [config.target]
        text_cells = {**text_cells, config.target: cells}
    table = Table(
        name=name,
        names=rows.names,
        values=rows.values,
        text=text_cells,
        row_name=lambda row: f"{name} line {int(rows.lines[row])}",
        units={**rows.header.units, **{column: unit for column in numbers if (unit := rows.header.unit(column))}},
        numerals={column: own for column in rows.names if isinstance(own := rows.numerals(column), Numerals)},
    )
    return with_categories(table, config)


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


def load(config: CsvConfig, seed: int) -> DataSet:
    """Read the rows; the seed is not used."""
    path = need_path(config.path, "a CSV file or a folder of them")
    files = files_in(path) if path.is_dir() else [path]
    if not files:
        raise InputError("at least one CSV file", "none", config.path)
    if config.labels and config.target:
        raise InputError("target or labels", "both", f"target = {config.target!r}")
    marks = read_marks(Path(config.labels)) if config.labels else None
    tables = same_columns([read_table(file, config, file.name) for file in files])
    recordings: list[Recording] = []
    for table in tables:
        clock = read_time(table, config)
        rate, origin = (config.rate or rate_of(clock.seconds), clock.origin) if clock else (config.rate, 0.0)
        alone, recording = len(files) == 1, to_recording(table, config, clock)
        recordings.append(marked(recording, marks, config.labels_in, alone=alone, rate=rate, origin=origin))
    names = input_names(config, tables[0].names)
    target = "label" if marks else config.target
    return data_set(recordings, names, config, name=config.path, target_name=target, tables=tables)


def same_columns(tables: list[Table]) -> list[Table]:
    """Return the tables with their columns in the order of the first one.

    Raises:
        InputError: naming both files when one has other columns.
    """
    first = tables[0]
    ordered = [first]
    for table in tables[1:]:
        if set(table.names) != set(first.names):
            odd = sorted(set(table.names) ^ set(first.names))
            raise InputError(
                f"the columns of {first.name}", f"a difference in {', '.join(odd)}", table.name,
                "Name the columns that all files have in columns",
            )  # fmt: skip
        order = np.array([table.names.index(name) for name in first.names], dtype=np.int64)
        ordered.append(replace(table, names=first.names, values=table.values[:, order]))
    return ordered


SOURCE = Source(config=CsvConfig, load=load, suffixes=SUFFIXES)
