"""A folder of Parquet files that is read in parts trains what the same rows in memory train."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from edgewright.core.errors import InputError, OutputError
from edgewright.data import targets
from edgewright.data.targets import Spool
from edgewright.pipeline import fitting
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.preprocessing.impute import Impute
from edgewright.preprocessing.scale import Scale
from edgewright.training.rows import by_blocks

ROWS, COLUMNS, FILES = 1200, 4, 3
TOML = """\
name = "parts"
refit = false
seed = 3
[data]
kind = "parquet"
path = "{path}"
target = "label"
group = "person"
[[stages]]
kind = "impute"
strategy = "mean"
[[stages]]
kind = "scale"
[[model.layers]]
kind = "dense"
units = 8
[training]
epochs = 3
[split]
test_groups = ["p0", "p1"]
"""


def _frame(start: int, rows: int) -> pl.DataFrame:
    random = np.random.default_rng([7, start])
    X = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    X[random.random(X.shape) < 0.01] = np.nan
    label = np.where(np.nansum(X, axis=1) > 0, "on", "off")
    people = [f"p{(start + row) // 100}" for row in range(rows)]
    return pl.DataFrame({**{f"c{i}": X[:, i] for i in range(COLUMNS)}, "label": label, "person": people})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of 400 rows, in row groups of 150."""
    folder = tmp_path / "rows"
    folder.mkdir()
    each = ROWS // FILES
    for number in range(FILES):
        _frame(number * each, each).write_parquet(folder / f"part-{number}.parquet", row_group_size=150)
    (tmp_path / "parts.toml").write_text(TOML.format(path=folder))
    return folder


def _run(folder: Path, *changes: str) -> RunResult:
    config = read_config(str(folder.parent / "parts.toml"), changes)
    return run_pipeline(config, out=folder.parent / "runs")


def _weights(result: RunResult) -> list[Any]:
    return [np.load(path) for path in sorted((result.folder / "pipeline").glob("model.fitted_.parameters*.npy"))]


def _accuracy(result: RunResult) -> float:
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.accuracy is not None
    assert evaluation.split_by == "group"
    return evaluation.accuracy.value


@pytest.mark.slow
def test_the_same_rows_train_the_same_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "PIECE_ROWS", 128)
    loaded = _run(folder, "data.in_parts='never'")
    parts = _run(folder, "data.in_parts='always'")
    assert any("read in parts" in note for note in parts.trace.stages[0].notes)
    assert not any("read in parts" in note for note in loaded.trace.stages[0].notes)
    # All rows fit in one chunk and all training rows in memory: nothing may differ but where the rows lie.
    assert parts.trace.provenance.data_hash == loaded.trace.provenance.data_hash
    for ours, theirs in zip(_weights(parts), _weights(loaded), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert parts.trace.evaluation == loaded.trace.evaluation
    assert [s.shape_out for s in parts.trace.stages] == [s.shape_out for s in loaded.trace.stages]
    assert parts.package is not None
    left = [path.name for path in folder.parent.joinpath("runs").rglob("*") if path.name.startswith((".", "tmp"))]
    assert left == []


@pytest.mark.slow
def test_beyond_memory_the_accuracy_is_that_of_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = _run(folder, "data.in_parts='never'", "training.epochs=40", "training.learning_rate=0.01")
    monkeypatch.setattr(fitting, "_FIT_BYTES", 1)
    monkeypatch.setattr(fitting, "_SHOWN", 300)
    monkeypatch.setattr("edgewright.training.loop.CHUNK_BYTES", 4 * COLUMNS * 256)
    parts = _run(folder, "data.in_parts='always'", "training.epochs=40", "training.learning_rate=0.01")
    assert abs(_accuracy(parts) - _accuracy(loaded)) < 0.04
    assert _accuracy(parts) > 0.9


def test_stages_learn_the_same_piece_by_piece() -> None:
    X = _frame(0, ROWS).select(pl.exclude("label", "person")).to_numpy() * np.float32(50) + np.float32(1000)
    X[:, 2] = 5.0

    def pieces() -> list[Any]:
        return [X[at : at + 100] for at in range(0, len(X), 100)]

    for stage in (Scale("minmax"), Scale("standard")):
        whole, part = type(stage)(stage.method).fit(X), stage.fit_pieces(pieces)
        np.testing.assert_allclose(part.offset_, whole.offset_, rtol=1e-6)
        np.testing.assert_allclose(part.factor_, whole.factor_, rtol=1e-6)
        assert part.factor_[2] == 0.0
    filled, part_filled = Impute("mean").fit(X), Impute("mean").fit_pieces(pieces)
    np.testing.assert_allclose(part_filled.fill_, filled.fill_, rtol=1e-6)
    np.testing.assert_array_equal(part_filled.filled_, filled.filled_)
    assert not Impute("median").in_pieces
    assert not Scale("robust").in_pieces


def test_an_epoch_on_disk_goes_through_every_row_once() -> None:
    order = by_blocks(1000, np.random.default_rng(0), 128)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert len(np.unique(order[:128] // 4)) <= 33
    small = by_blocks(100, np.random.default_rng(0), 128)
    np.testing.assert_array_equal(small, np.random.default_rng(0).permutation(100))


def test_rows_of_a_spool_are_those_that_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_GAP_BYTES", 40)
    monkeypatch.setattr(targets, "PIECE_ROWS", 8)
    X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    spool = Spool(tmp_path, 3, 200)
    spool.append(X[:90])
    spool.append(X[90:])
    rows = spool.rows(10)
    for which in (3, slice(5, 60, 2), np.array([100, 3, 3, 189]), X[10:, 0] > 0, np.arange(190)[::-1]):
        np.testing.assert_array_equal(rows[which], X[10:][which])
    np.testing.assert_array_equal(np.concatenate(list(rows.part(np.arange(0, 190, 7)).pieces())), X[10::7])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("empty", "at least one Parquet file, got none"),
        ("broken", "a whole Parquet file, got .* - at part-1.parquet"),
        ("columns", "the columns of part-0.parquet, got a difference in c1, c9 - at part-1.parquet"),
        ("text", "a column of numbers, got String - at part-1.parquet column c0"),
        ("infinite", "an infinite value - at part-2.parquet row 301, column c1"),
        ("window", r"can be read in parts, got \[window\]"),
    ],
)
def test_what_is_wrong_in_a_folder_is_named(folder: Path, harm: str, message: str) -> None:
    second, changes = folder / "part-1.parquet", ["data.in_parts='always'"]
    if harm == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif harm == "broken":
        data = bytearray(second.read_bytes())
        data[1000:2500] = b"x" * 1500
        second.write_bytes(bytes(data))
    elif harm == "columns":
        pl.read_parquet(second).rename({"c1": "c9"}).write_parquet(second)
    elif harm == "text":
        pl.read_parquet(second).with_columns(pl.col("c0").cast(pl.String)).write_parquet(second)
    elif harm == "infinite":
        third = pl.read_parquet(folder / "part-2.parquet")
        row = pl.int_range(pl.len()) == 300
        third.with_columns(pl.when(row).then(np.inf).otherwise(pl.col("c1")).alias("c1")).write_parquet(
            folder / "part-2.parquet"
        )
    else:
        changes.append("window={samples=10}")
    with pytest.raises(InputError, match=message):
        _run(folder, *changes)
    assert not list((folder.parent / "runs").glob("*"))


def test_a_full_disk_is_told_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.data.targets.shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OutputError, match=r"room for 0\.00 GB of rows that are read in parts, got 0\.00 GB free"):
        _run(folder, "data.in_parts='always'")
