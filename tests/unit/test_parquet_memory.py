"""Training on Parquet read in parts: memory does not grow with the data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

COLUMNS, FILES = 512, 10
LITTLE, MUCH = 12_000, 84_000
TOML = """\
name = "{name}"
refit = false
[data]
kind = "parquet"
path = "{path}"
target = "label"
group = "person"
in_parts = "always"
[[stages]]
kind = "impute"
strategy = "mean"
[[stages]]
kind = "scale"
method = "standard"
[[model.layers]]
kind = "dense"
units = 8
[training]
epochs = 2
"""


def _write(folder: Path, rows: int) -> Path:
    """Ten files and the pipeline that reads them."""
    data = folder / str(rows)
    data.mkdir()
    for number in range(FILES):
        X = np.random.default_rng(number).standard_normal((rows // FILES, COLUMNS), dtype=np.float32)
        frame = pl.DataFrame(X, schema=[f"c{i}" for i in range(COLUMNS)]).with_columns(
            pl.Series("label", np.where(X[:, :8].sum(axis=1) > 0, "1", "0")), pl.lit(str(number)).alias("person")
        )
        frame.write_parquet(data / f"{number}.parquet", compression="uncompressed", row_group_size=1000)
    toml = folder / f"{rows}.toml"
    toml.write_text(TOML.format(name=f"rows-{rows}", path=data))
    return toml


def _measure(toml: Path) -> tuple[int, float]:
    """Run one pipeline in a process of its own: what an earlier run leaves allocated would count for a later one."""
    done = subprocess.run(
        [sys.executable, "-m", "memory_of_parts", str(toml)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    maximum, accuracy = json.loads(done.stdout)
    return maximum, accuracy


@pytest.mark.slow
@pytest.mark.heavy
def test_memory_grows_by_less_than_an_eighth_of_the_data(tmp_path: Path) -> None:
    (little, _), (much, accuracy) = (_measure(_write(tmp_path, rows)) for rows in (LITTLE, MUCH))
    more = (MUCH - LITTLE) * COLUMNS * 4
    assert much - little < more / 8, f"{much - little:,} more for {more:,} bytes"
    assert accuracy > 0.9
