"""A small pipeline to search, rows of six people for it, and how many trials a study has kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from edgewright.search.architecture.study import FILE
from small_pipeline import write_rows

PIPELINE = """
name = "small"
[data]
kind = "csv"
path = "rows.csv"
target = "label"
group = "who"
[[stages]]
kind = "scale"
[[model.layers]]
kind = "dense"
units = 8
[training]
epochs = 3
[device]
profile = "cortex-m4"
[search]
depth = [1, 1]
widths = [4, 16]
"""


def write_people(path: Path, count: int = 240) -> Path:
    """Write rows of two columns and six people, whose label says which column is larger."""
    x = np.random.default_rng(0).normal(size=(count, 2))
    rows = [[f"{a:.3f}", f"{b:.3f}", f"p{n % 6}", "up" if a > b else "down"] for n, (a, b) in enumerate(x)]
    return write_rows(path, rows, header="a,b,who,label")


def kept_trials(out: Path) -> int:
    """Return how many trials a study has kept; 0 where it does not exist yet."""
    try:
        connection = sqlite3.connect(f"file:{out / FILE}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM trials").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return 0
