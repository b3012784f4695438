"""Rows of a Parquet file, or of all Parquet files of a folder, each one a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from edgewright.data.contract import Source
from edgewright.data.sources.csv import same_columns
from edgewright.data.tabular import Table, TableConfig, data_set, read_time, text_columns, to_recording
from edgewright.schema.data import DataSet, Labels
from edgewright.schema.errors import InputError

SUFFIXES = (".parquet", ".pq")


class ParquetConfig(TableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of Parquet rows: that of a table, nothing more."""


def read_table(path: Path, config: TableConfig, name: str) -> Table:
    """The rows of one file.

    Raises:
        InputError: for a file that is no Parquet, or a column of text or lists where numbers are expected.
    """
    try:
        frame = pl.read_parquet(path, use_pyarrow=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError("a whole Parquet file", str(error).splitlines()[0][:120], name) from error
    text = text_columns(config, frame.columns, name)
    numbers = [column for column in frame.columns if column not in text]
    for column in numbers:
        kind = frame.schema[column]
        if not (kind.is_numeric() or kind == pl.Boolean):
            raise InputError(
                "a column of numbers", f"{kind}", f"{name} column {column}",
                f"Name {column!r} in ignore when it is no measurement",
            )  # fmt: skip
    values = np.empty((frame.height, len(numbers)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for index, column in enumerate(numbers):
            values[:, index] = frame[column].cast(pl.Float64).to_numpy()
    parts = {config.target, config.group, config.session, config.time} - {""}
    return Table(
        name=name,
        names=tuple(numbers),
        values=values,
        text={column: _text(frame[column]) for column in parts},
        place=lambda row: f"{name} row {row + 1}",
    )


def _text(series: pl.Series) -> Labels:
    """A column as text; times as ISO text, missing values as ''."""
    if series.dtype == pl.Datetime:
        zoned = series.dt.convert_time_zone("UTC") if getattr(series.dtype, "time_zone", None) else series
        series = zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return series.cast(pl.String).fill_null("").to_numpy().astype(np.str_)


def load(config: ParquetConfig, seed: int) -> DataSet:
    """Reads the rows; the seed is not used."""
    path = Path(config.path)
    if not config.path or not path.exists():
        missing = ("no such file", config.path) if config.path else ("none", "[data] path, or --data")
        raise InputError("a Parquet file or a folder of them", *missing)
    files = sorted(p for p in path.iterdir() if p.name.lower().endswith(SUFFIXES)) if path.is_dir() else [path]
    if not files:
        raise InputError("at least one Parquet file", "none", config.path)
    tables = same_columns([read_table(file, config, file.name) for file in files])
    recordings = [to_recording(table, config, read_time(table, config)) for table in tables]
    return data_set(recordings, config.columns or tables[0].names, config, name=config.path)


SOURCE = Source(config=ParquetConfig, load=load, suffixes=SUFFIXES)
