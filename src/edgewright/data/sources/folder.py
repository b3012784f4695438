"""A folder or ZIP file of recordings, a file each; names, folders or a labels file say label and person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.catalogue import find, offered
from edgewright.core.clocks.units import rate_of
from edgewright.core.errors import CsvEmptyError
from edgewright.core.input.riff import channel_names
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.clock import common_rate
from edgewright.data.contract import (
    LABELS_FILE,
    SUFFIXES,
    FileCount,
    Source,
    data_files,
    files_of,
    folder_of,
    need_path,
    some_files,
)
from edgewright.data.labels import LabelUnit, Marks, marked, read_marks, read_name, with_meaning
from edgewright.data.series import in_one_form
from edgewright.data.table_reader import readable, same_columns
from edgewright.data.tabular import Table, TableConfig, data_set, input_names, read_time, schema, to_recording

_SOURCES = "edgewright.data.sources"


class FolderConfig(TableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of a folder of recordings; the columns apply to every file.

    Attributes:
        pattern: what the parts of a file's name mean, such as {label}_{person}_{index}, or with folders
            {label}/{person}/{index}; left out, the folder a file lies in is its label.
        labels: path of a CSV with file,label (and group, session), or of events with file,start,end,label; a file
            labels.csv in the folder is used when left out.
        labels_in: what start and end of events count: 'seconds' or 'samples'; 'auto' goes by the columns' names.
        delimiter: between the cells of CSV files; found when left out.
        files: number of files that are read, drawn by chance; 0 for all.
    """

    pattern: str = ""
    labels: str = ""
    labels_in: LabelUnit = "auto"
    delimiter: str = ""
    files: FileCount = 0


def reader_of(name: str) -> str:
    """Return the source that reads a file of this name as one table; empty when none does."""
    for kind, suffixes in SUFFIXES.items():
        is_named = name.lower().endswith(tuple(suffix for suffix in suffixes if suffix != ".zip"))
        if is_named and offered(_SOURCES, kind, "read_table") is not None:
            return kind
    return ""


def tables_below(folder: Path) -> list[Path]:
    """Return all files that are read as one table, in the order of their names."""
    return [file for file in sorted(folder.rglob("*")) if file.is_file() and reader_of(file.name)]


@dataclass(frozen=True)
class Opened:
    """One recording without the labels of a labels file; `rate` and `origin` as `label_rows` takes them."""

    recording: Recording
    columns: tuple[Column, ...]
    rate: float | None
    origin: float


def labels_file(config: FolderConfig) -> Path:
    """Where the labels file lies, or would lie."""
    return Path(config.labels) if config.labels else Path(config.path) / LABELS_FILE


def recording_files(config: FolderConfig) -> list[Path]:
    """Return the files that are recordings, in the order of their names.

    Raises:
        InputError: when the folder does not exist.
    """
    root = need_path(config.path, "a folder of recordings", Path.is_dir)
    labels = labels_file(config)
    return data_files(file for file in tables_below(root) if file != labels)


def open_one(config: FolderConfig, name: str) -> Opened:
    """One recording by its path below the folder, labelled by its name alone.

    Raises:
        InputError: for a file that cannot be read.
    """
    table, rate = _read(Path(config.path) / name, config, name)
    clock = read_time(table, config)
    recording = _recording(table, config, None, alone=False, rate=rate)
    columns = schema(input_names(config, table.names), config, [table])
    return Opened(recording, columns, config.rate or rate, clock.origin if clock else 0.0)


def load(config: FolderConfig, seed: int) -> DataSet:
    """Read the recordings; the seed is not used."""
    path = need_path(config.path, "a folder or a ZIP file of recordings")
    with folder_of(path, reader_of) as root:
        return _load(config, root)


def _load(config: FolderConfig, root: Path) -> DataSet:
    """Return the recordings below a folder, which is that of the configuration or what its ZIP file holds."""
    labels = Path(config.labels) if config.labels else root / LABELS_FILE
    files = files_of((file for file in tables_below(root) if file != labels), Path(config.path).name)
    marks = read_marks(labels) if config.labels or (labels.is_file() and not config.target) else None
    if not files:
        raise CsvEmptyError("at least one CSV, Parquet or WAV file", "none", config.path)
    alone, files = len(files) == 1, some_files(files, config.files)
    named = [(file, file.relative_to(root).as_posix()) for file in files]

    def read_one(name: str, file: Path) -> tuple[Table, float | None]:
        return _read(file, config, name)

    stored = ((name, file) for file, name in named)
    read = list(readable(stored, read_one, config.path, "file", skip=config.skip_bad_rows))
    rates = [(table.name, rate) for table, rate in read]
    tables, names = [table for table, _ in read], read[0][0].names
    sounds = all(file.suffix.lower() == ".wav" for file, _ in named)
    tables = tables if sounds else same_columns(tables)
    recordings = [
        _recording(table, config, marks, alone=alone, rate=rate) for table, (_, rate) in zip(tables, rates, strict=True)
    ]
    if sounds:
        recordings, rate = in_one_form(recordings, [rate for _, rate in rates if rate is not None], config.path)
        names, rates = channel_names(recordings[0].values.shape[1]), [(config.path, rate)]
    if config.rate is None and not config.time:  # rates of times may differ, stated ones not
        config = msgspec.structs.replace(config, rate=common_rate(rates))
    target = config.target or ("label" if any(r.target is not None for r in recordings) else "")
    group = config.group or ("group" if all(r.groups is not None for r in recordings) else "")
    return data_set(
        recordings, input_names(config, names), config, name=config.path, target_name=target,
        group_name=group, tables=tables,
    )  # fmt: skip


def _read(file: Path, config: FolderConfig, name: str) -> tuple[Table, float | None]:
    """Return the rows of one file, and the rate where its format states one."""
    read: Any = find(_SOURCES, reader_of(name), "read_table", "source")
    result = read(file, config, name)
    table, rate = result if isinstance(result, tuple) else (result, None)
    if not len(table.values):
        raise CsvEmptyError("rows", "none", name)
    if rate is None and config.rate is None and config.time:
        clock = read_time(table, config)
        rate = rate_of(clock.seconds) if clock else None
    return replace(table, name=name), rate


def _recording(
    table: Table, config: FolderConfig, marks: Marks | None, *, alone: bool, rate: float | None
) -> Recording:
    """Return the rows of one file with the label and person its name, its folders or the labels file give."""
    clock = read_time(table, config)
    recording = to_recording(table, config, clock)
    recording = with_meaning(recording, read_name(table.name, config.pattern))
    origin = clock.origin if clock else 0.0
    return marked(recording, marks, config.labels_in, alone=alone, rate=config.rate or rate, origin=origin)


SOURCE = Source(config=FolderConfig, load=load)
