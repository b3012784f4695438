"""The benchmark of many rows: its tables are drawn by a seed, and what a process takes is measured."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.rows import recordings
from benchmarks.rows.cost import measured
from benchmarks.rows.generator import STATES, table, write

from edgewright.data.load import load_data


def test_a_table_is_drawn_by_its_seed_from_one_law(tmp_path: Path) -> None:
    first = table(500, 0)
    assert first.equals(table(500, 0)) and not first.equals(table(500, 1))
    assert first.shape == (500, 11)
    assert set(first["state"]) == set(STATES.tolist())
    for kind, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        write(tmp_path / f"rows.{kind}", 50, 0)
        assert read(tmp_path / f"rows.{kind}").shape == (50, 11)


@pytest.mark.parametrize("kind", ["parquet", "csv", "wav"])
def test_recordings_are_a_file_a_person_and_mean_the_same_in_every_kind(tmp_path: Path, kind: str) -> None:
    recordings.write(tmp_path / kind, recordings.PERSON_ROWS + 4000, 0, kind)
    columns = {} if kind == "wav" else {"target": "activity", "group": "person", "time": "time"}
    dataset = load_data({"kind": "folder" if kind == "wav" else kind, **columns}, seed=0, path=str(tmp_path / kind))
    assert dataset.rate == recordings.RATE
    assert dataset.groups == ["p0000", "p0001"]
    readings, stretches = recordings.person(0, 1, 4000)
    last = dataset.recordings[1]
    np.testing.assert_allclose(last.values * (recordings.FULL_SCALE if kind == "wav" else 1.0), readings, atol=2e-4)
    assert [str(last.target[start]) for start, *_ in stretches] == [label for *_, label in stretches]


def test_memory_and_processor_time_of_a_process_are_measured() -> None:
    program = "import time; block = b'x' * 200_000_000; total = sum(range(3_000_000)); time.sleep(0.3); print(total)"
    cost = measured([sys.executable, "-c", program])
    assert cost.output.strip() == "4499998500000"
    assert 200 < cost.peak_mb < 1_000
    assert cost.cpu_s > 0.01
    reset = "import time; b = b'x' * 200_000_000; time.sleep(0.4); del b; open('/proc/self/clear_refs', 'w').write('5')"
    assert measured([sys.executable, "-c", f"{reset}; time.sleep(0.4)"]).peak_mb > 200
    child = f"{sys.executable} -c \"b = b'x' * 300_000_000; import time; time.sleep(0.5)\""
    parent = f"import subprocess; subprocess.run({child!r}, shell=True, check=True)"
    assert measured([sys.executable, "-c", parent]).peak_mb > 300
    with pytest.raises(SystemExit, match="ended with 3"):
        measured([sys.executable, "-c", "raise SystemExit(3)"])
