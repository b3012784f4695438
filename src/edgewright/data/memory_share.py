"""Folders of more recordings than memory is for: how many of their files a run is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.core.files import free_bytes
from edgewright.data.contract import draw_order
from edgewright.data.load import load_data
from edgewright.data.preview import tables_in
from edgewright.data.remote import located

KEY = "files"
"""Key of [data]: number of files of a folder that are read."""
_KINDS = ("csv", "parquet", "wav", "folder")
# Bytes of a row beside its values: time, label and names; and how often a run holds a row at its peak (measured: 140
# bytes for each of 10,000,000 rows of six values, docs/benchmarks.md).
_MARK_BYTES, _COPIES = 32, 3
# A race takes so many times as much again, up to a bound: it keeps what stages give, and copies of windows.
_RACED, _RACE_BYTES = 6, 768 * 2**20
# A byte of a file becomes at most so many in memory, without which even reading one file would tell nothing new.
_EXPANDED = 32


def fitting_files(table: dict[str, object]) -> tuple[int, str]:
    """Return how many files of a table's folder memory is for, and why; 0 where it is for all.

    The first file that would be drawn is read: its rows say what a byte of a file becomes.

    Raises:
        InputError: that file cannot be read.
    """
    folder = Path(located(str(table.get("path", ""))))
    if table["kind"] not in _KINDS or KEY in table or not folder.is_dir():
        return 0, ""
    free, files = free_bytes(), tables_in(folder, str(table["kind"]))
    sizes = np.array([file.stat().st_size for file in files])[draw_order(len(files))]
    if len(files) < 2 or sizes.sum() * _EXPANDED <= free:
        return 0, ""
    first = load_data({**table, KEY: 1}, seed=0, mixed_rates=True)
    rows = sum(len(recording.values) for recording in first.recordings) / max(1, sizes[0])
    row_bytes = _COPIES * (4 * len(first.columns) + _MARK_BYTES)
    row_memory = np.cumsum(sizes) * rows * row_bytes
    count = max(1, int(np.searchsorted(row_memory + np.minimum(_RACED * row_memory, _RACE_BYTES), free, side="right")))
    if count >= len(files):
        return 0, ""
    why = f"drawn by chance, because memory is for some {rows * sizes[:count].sum():,.0f} rows"
    return count, f"{count:,} of {len(files):,} files, {why}"
