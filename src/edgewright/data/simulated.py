"""Which files `edgewright sample` wrote: their recordings say so, through copies, cuts and a change of format.

Rows of a table say it in their column `recording`, a WAV file in its comment.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.csv.rows import iter_csv
from edgewright.core.errors import InputError
from edgewright.core.input.riff import comment_of
from edgewright.core.records.data import DataSet, Labels
from edgewright.data.contract import LABELS_FILE, stored_files
from edgewright.data.polars import pl

PREFIX = "simulated-by-edgewright/"
_COLUMN = "recording"
_RECORDINGS = frozenset({".csv", ".gz", ".parquet", ".pq", ".tsv", ".wav", ".xz", ".zip"})


def marked(data: DataSet) -> DataSet:
    """Return the data with recordings whose names say that no sensor measured them."""
    named = tuple(msgspec.structs.replace(recording, name=PREFIX + recording.name) for recording in data.recordings)
    return msgspec.structs.replace(data, recordings=named)


def is_simulated(path: Path) -> bool:
    """Return whether every row of a table, or every recording of a folder, was simulated.

    False for what cannot be read or names no recordings. Of a folder the files that hold recordings count.
    """
    try:
        if path.is_dir():
            files = [
                entry for entry in path.rglob("*") if entry.suffix.lower() in _RECORDINGS and entry.name != LABELS_FILE
            ]
            shown = [entry for entry in files if not entry.name.startswith(".")]
            return bool(shown) and all(map(is_simulated, shown))
        if path.suffix.lower() == ".zip":
            return all(
                comment_of(io.BytesIO(data)).startswith(PREFIX) for _, data in stored_files(path, (".wav",), "WAV file")
            )
        if path.suffix.lower() == ".wav":
            with path.open("rb") as file:
                return comment_of(file).startswith(PREFIX)
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
