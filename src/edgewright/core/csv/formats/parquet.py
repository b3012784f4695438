"""Parquet: a column of the file is a column of the table."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.formats import Format
from edgewright.schema.errors import InputError, MissingExtraError

_ROWS = 1 << 16


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    try:
        polars = importlib.import_module("polars")
    except ImportError:
        raise MissingExtraError("train", "polars, which reads Parquet files,") from None
    try:
        frame = polars.read_parquet(path, use_pyarrow=False)
    except FileNotFoundError:
        raise
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InputError("a whole Parquet file", str(error).splitlines()[0][:120], name) from None
    yield frame.columns
    for part in frame.iter_slices(_ROWS):
        yield from zip(*(_cells(column) for column in part), strict=True)


def _cells(series: Any) -> list[object]:  # noqa: ANN401 - a series of polars, which a device has not
    if series.dtype.is_numeric():
        return list(series.to_list())
    if str(series.dtype) == "Boolean":
        return list(series.cast(int).to_list())
    return list(text_of(series).tolist())


def text_of(series: Any) -> NDArray[np.str_]:  # noqa: ANN401 - a series of polars, which a device has not
    """Return a column as text; times as ISO text, durations in seconds, lists by their type, missing values as ''."""
    polars = importlib.import_module("polars")
    if series.dtype.is_nested() or series.dtype in (polars.Binary, polars.Object):
        return np.full(len(series), str(series.dtype))
    if series.dtype == polars.Duration:
        series = series.dt.total_nanoseconds() / 1e9
    if series.dtype == polars.Datetime:
        zoned = series.dt.convert_time_zone("UTC") if getattr(series.dtype, "time_zone", None) else series
        series = zoned.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
    return np.asarray(series.cast(polars.String).fill_null("").to_numpy().astype(np.str_))


FORMAT = Format((".parquet", ".pq"), _rows)
