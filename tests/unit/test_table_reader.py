"""One reader of CSV and Parquet: pieces, files of other orders, values on disk, places of errors, memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from edgewright.core.errors import ColumnsUnusableError
from edgewright.data import table_reader, targets
from edgewright.data.load import load_data
from edgewright.data.targets import coded, in_file, read_target

ROWS, COLUMNS = 100_000, 6


def _write(path: Path, rows: int, seed: int) -> Path:
    values = np.random.default_rng(seed).normal(size=(rows, COLUMNS)).astype(np.float32).round(3)
    values[::97, 1] = np.nan
    frame = pl.DataFrame({f"c{i}": values[:, i] for i in range(COLUMNS)}).fill_nan(None)
    frame = frame.with_columns(pl.Series("state", np.where(values[:, 0] > 0, "on", "off")))
    if seed:
        frame = frame.select(sorted(frame.columns, reverse=True))
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_that_spill_to_disk_hold_what_memory_holds(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    for number in range(3):
        _write(folder / f"part-{number}.{kind}", 9000, number)
    table: dict[str, object] = {"kind": kind, "path": str(folder), "target": "state"}
    loaded = load_data(table, seed=0)
    # The limit lies in the second file.
    monkeypatch.setattr(table_reader, "LOAD_BYTES", 4 * COLUMNS * 12_000)
    spilt = load_data(table, seed=0, spool=tmp_path)
    for ours, theirs in zip(spilt.recordings, loaded.recordings, strict=True):
        assert in_file(ours.values) is not None
        np.testing.assert_array_equal(ours.values[:], theirs.values)
        np.testing.assert_array_equal(ours.target, theirs.target)
    assert [column.name for column in spilt.columns] == [f"c{i}" for i in range(COLUMNS)]
    assert [len(recording.values) for recording in loaded.recordings] == [9000, 9000, 9000]


def test_both_kinds_of_file_hold_the_same(tmp_path: Path) -> None:
    csv, parquet = (
        load_data({"kind": kind, "path": str(_write(tmp_path / f"rows.{kind}", 9000, 0)), "target": "state"}, seed=0)
        for kind in ("csv", "parquet")
    )
    np.testing.assert_array_equal(csv.recordings[0].values, parquet.recordings[0].values)
    np.testing.assert_array_equal(csv.recordings[0].target, parquet.recordings[0].target)


def test_an_error_in_a_late_piece_of_a_late_file_names_its_line(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", 9000, 0)
    path = _write(tmp_path / "b.csv", 9000, 0)
    lines = path.read_text().splitlines()
    lines[8000] = "," + lines[8000].partition(",")[2].rpartition(",")[0] + ","
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ColumnsUnusableError, match=r"an empty field - at b\.csv line 8001, column state"):
        load_data({"kind": "csv", "path": str(tmp_path), "target": "c0", "group": "state"}, seed=0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_second_copy_of_the_values_is_made(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_reader, "_STEP_BYTES", 2**16)
    monkeypatch.setattr(targets, "PIECE_ROWS", 4096)
    monkeypatch.setattr("edgewright.core.csv.blocks.BLOCK_BYTES", 2**15)
    table: dict[str, object] = {"kind": kind, "ignore": ["state"]}
    load_data({**table, "path": str(_write(tmp_path / f"few.{kind}", 100, 0))}, seed=0)
    path = _write(tmp_path / f"rows.{kind}", ROWS, 0)
    tracemalloc.start()
    values = load_data({**table, "path": str(path)}, seed=0).recordings[0].values
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values.nbytes == ROWS * COLUMNS * 4
    # The array grows by an eighth, and a piece is read meanwhile.
    assert peak < 1.5 * values.nbytes, f"{peak / 1e6:.1f} MB for {values.nbytes / 1e6:.1f}"


def test_a_column_of_text_is_told_apart_part_by_part() -> None:
    text = np.array([" b", "a", "NA", "b ", "", "c"] * 3000)
    texts, codes = coded(text)
    for ours, theirs in zip((texts, codes), np.unique(text, return_inverse=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert read_target(text)[:6].tolist() == ["b", "a", "", "b", "", "c"]
    assert read_target(np.array(["1", "nan", "2.5"])).tolist()[::2] == [1.0, 2.5]
