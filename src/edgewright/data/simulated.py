"""Which files `edgewright sample` wrote: their recordings say so, through copies, cuts and a change of format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from edgewright.core.csv.rows import iter_csv
from edgewright.schema.data import DataSet, Labels
from edgewright.schema.errors import InputError

PREFIX = "simulated-by-edgewright/"
_COLUMN = "recording"


def marked(data: DataSet) -> DataSet:
    """Return the data with recordings whose names say that no sensor measured them."""
    named = tuple(msgspec.structs.replace(one, name=PREFIX + one.name) for one in data.recordings)
    return msgspec.structs.replace(data, recordings=named)


def is_simulated(path: Path) -> bool:
    """Return whether every row of a table was simulated; False for what cannot be read or names no recordings."""
    try:
        return path.is_file() and all(np.strings.startswith(names, PREFIX).all() for names in _names(path))
    except (InputError, OSError, pl.exceptions.PolarsError):
        return False


def _names(path: Path) -> Iterator[Labels]:
    """Yield names of recordings, an empty one where there are none."""
    if path.suffix in (".parquet", ".pq"):
        frame = pl.scan_parquet(path)
        known = _COLUMN in frame.collect_schema()
        yield (
            frame.select(pl.col(_COLUMN).cast(pl.String)).collect()[_COLUMN].to_numpy().astype(np.str_)
            if known
            else (np.array([""]))
        )
        return
    for rows in iter_csv(path, name=path.name, text_columns=[_COLUMN], only_columns=[_COLUMN]):
        yield rows.text.get(_COLUMN, np.array([""]))
