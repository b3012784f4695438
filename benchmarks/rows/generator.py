"""A seeded table of ten readings and a state of three, which depends on them smoothly and by chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

COLUMNS, HIDDEN = 10, 16
STATES = np.array(["idle", "warm", "hot"])
# Tables differ in their rows, not in their law.
_LAW = 7


def table(rows: int, seed: int) -> pl.DataFrame:
    """Return a table of rows that are drawn by `seed`."""
    law, rng = np.random.default_rng(_LAW), np.random.default_rng(seed)
    readings = rng.normal(size=(rows, COLUMNS)).astype(np.float32)
    inner = law.normal(size=(COLUMNS, HIDDEN)) * 1.5 / np.sqrt(COLUMNS)
    outer, shift = law.normal(size=(HIDDEN, len(STATES))), law.normal(size=HIDDEN)
    scores = 2.5 * np.tanh(readings @ inner + shift) @ outer + 0.6 * rng.gumbel(size=(rows, len(STATES)))
    columns = {f"s{number}": readings[:, number].round(4) for number in range(COLUMNS)}
    return pl.DataFrame({**columns, "state": STATES[scores.argmax(axis=1)]})


def write(path: Path, rows: int, seed: int) -> None:
    """Write a table as CSV or Parquet, by the suffix."""
    frame = table(rows, seed)
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
