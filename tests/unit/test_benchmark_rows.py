"""The benchmark of many rows: its tables are drawn by a seed, and what a process takes is measured."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest
from benchmarks.rows.__main__ import measured
from benchmarks.rows.generator import STATES, table, write


def test_a_table_is_drawn_by_its_seed_from_one_law(tmp_path: Path) -> None:
    first = table(500, 0)
    assert first.equals(table(500, 0)) and not first.equals(table(500, 1))
    assert first.shape == (500, 11)
    assert set(first["state"]) == set(STATES.tolist())
    for kind, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        write(tmp_path / f"rows.{kind}", 50, 0)
        assert read(tmp_path / f"rows.{kind}").shape == (50, 11)


def test_memory_and_processor_time_of_a_process_are_measured() -> None:
    program = "import time; block = b'x' * 200_000_000; total = sum(range(3_000_000)); time.sleep(0.3); print(total)"
    cost = measured([sys.executable, "-c", program])
    assert cost.output.strip() == "4499998500000"
    assert 200 < cost.peak_mb < 1_000
    assert cost.cpu_s > 0.01
    reset = "import time; b = b'x' * 200_000_000; time.sleep(0.4); del b; open('/proc/self/clear_refs', 'w').write('5')"
    assert measured([sys.executable, "-c", f"{reset}; time.sleep(0.4)"]).peak_mb > 200
    with pytest.raises(SystemExit, match="ended with 3"):
        measured([sys.executable, "-c", "raise SystemExit(3)"])
