"""Writing the rows of a data set as one table: Parquet or CSV, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edgewright.core.errors import FileEndingError, MissingFileError
from edgewright.core.files import write_atomic
from edgewright.core.records.data import DataSet, Recording, TextSet
from edgewright.data.polars import pl


def check_table_file(path: Path) -> None:
    """Refuse a name that `write_table_file` would refuse, before any work is done.

    Raises:
        InputError: for another ending than .parquet and .csv, or a folder that does not exist.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise FileEndingError("a name that ends in .parquet or .csv", path.name, "--out")
    if not path.parent.is_dir():
        raise MissingFileError("an existing folder", "no such folder", str(path.parent), "Make it first")


def as_frame(data: DataSet | TextSet) -> pl.DataFrame:
    """All rows as one frame: recording, session, group, time, the columns, and the target.

    Parts that a set does not know are left out; a name that a reading already has gets an underscore at its end.
    """
    if isinstance(data, TextSet):
        return pl.DataFrame(list(data.rows), schema=dict.fromkeys(data.columns, pl.String), orient="row")
    return pl.concat([_frame(data, recording) for recording in data.recordings], how="diagonal")


def write_table_file(data: DataSet | TextSet, path: Path) -> None:
    """Write all rows to a temporary file in the same folder, then renames it.

    Raises:
        InputError: as `check_table_file`.
        OutputError: when the file cannot be written.
    """
    check_table_file(path)
    frame, table = as_frame(data), io.BytesIO()
    if path.suffix == ".csv":
        frame.write_csv(table)
    else:
        frame.write_parquet(table)
    write_atomic(path, table.getvalue())


def _frame(data: DataSet, recording: Recording) -> pl.DataFrame:
    readings = {c.name: pl.Series(v).fill_nan(None) for c, v in zip(data.columns, recording.values.T, strict=True)}
    rows = len(recording.values)
    parts: dict[str, pl.Series] = {"recording": pl.repeat(recording.name, rows, eager=True)}
    if recording.sessions is not None:
        parts["session"] = pl.Series(np.ascontiguousarray(recording.sessions))
    if recording.groups is not None:
        parts[data.group_name or "group"] = pl.Series(np.ascontiguousarray(recording.groups))
    if recording.time is not None:
        parts["time"] = pl.Series(recording.time)
    target = {}
    if recording.target is not None:
        target[data.target_name or "target"] = pl.Series(np.ascontiguousarray(recording.target))
    ends = {name + "_" if name in readings else name: column for name, column in {**parts, **target}.items()}
    first = {name: ends[name] for name in list(ends)[: len(parts)]}
    return pl.DataFrame({**first, **readings, **{n: c for n, c in ends.items() if n not in first}})
