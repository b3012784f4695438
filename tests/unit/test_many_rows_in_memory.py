"""Beyond a size the outputs of stages on rows are made again in pieces: the same model, and races of fewer rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from edgewright.core.errors import MissingValuesError
from edgewright.core.files import write_atomic
from edgewright.core.records.config import PipelineConfig
from edgewright.data.splits import choose
from edgewright.models.base import encode
from edgewright.pipeline import fitting, material
from edgewright.pipeline.config import read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run import run_pipeline
from edgewright.race import problem

ROWS = 400
TOML = """\
name = "rows"
refit = false
[data]
kind = "parquet"
path = "{path}"
target = "state"
[[stages]]
kind = "{fill}"
[[stages]]
kind = "scale"
method = "standard"
[model]
kind = "tree"
"""


def _config(folder: Path, fill: str = "impute") -> PipelineConfig:
    values = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    state = np.where(values[:, 0] > 0, "on", "off")
    values[::50, 1] = np.nan
    frame = pl.DataFrame({f"c{i}": values[:, i] for i in range(3)}).with_columns(pl.Series("state", state))
    frame.write_parquet(folder / "rows.parquet")
    write_atomic(folder / "rows.toml", TOML.format(path=folder / "rows.parquet", fill=fill).encode())
    return read_config(str(folder / "rows.toml"), ())


def test_stages_in_pieces_give_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path)
    kept = run_pipeline(config, out=tmp_path / "kept")
    monkeypatch.setattr(fitting, "KEEP_ROWS_BYTES", 100)
    monkeypatch.setattr(fitting, "_PIECE", 64)
    pieces = run_pipeline(config, out=tmp_path / "pieces")
    assert any("too large to keep" in note for stage in pieces.trace.stages for note in stage.notes)
    assert not any("too large to keep" in note for stage in kept.trace.stages for note in stage.notes)
    assert (pieces.folder / "model.onnx").read_bytes() == (kept.folder / "model.onnx").read_bytes()
    assert pieces.trace.evaluation == kept.trace.evaluation


def test_a_missing_value_is_named_in_pieces_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "KEEP_ROWS_BYTES", 100)
    with pytest.raises(MissingValuesError, match=r"missing values? in c1"):
        run_pipeline(_config(tmp_path, fill="scale"), out=tmp_path / "runs")


def test_samples_have_one_hash_however_many_targets_are_hashed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = prepare(data_plan(_config(tmp_path)), None).samples
    whole = material.sha256(samples)
    monkeypatch.setattr(material, "_TEXTS", 7)
    assert material.sha256(samples) == whole
    assert material.sha256(msgspec.structs.replace(samples, y=samples.y[::-1])) != whole


def test_classes_and_sides_of_many_rows_take_little_memory() -> None:
    rows = 200_000
    state = np.array(["idle", "warm", "hot"])[np.random.default_rng(0).integers(0, 3, rows)]
    expected, strata = np.unique(state, return_inverse=True)
    tracemalloc.start()
    classes, codes = encode(state, rows)
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(codes, strata)
    of_classes = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    chosen = choose(np.arange(rows), strata, 0.2, np.random.default_rng(0))
    of_sides = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert chosen is not None
    assert np.bincount(strata[chosen]) == pytest.approx(np.bincount(strata) / 5, abs=1)
    # Sorted texts with their places, and a table of rows by classes, took twice that.
    assert of_classes <= 24 * rows
    assert of_sides <= 60 * rows


def test_a_race_draws_from_as_many_rows_as_it_can_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = prepare(data_plan(_config(tmp_path)), None)
    whole = problem.problem_of_training(own)
    assert len(whole.y) == len(own.sides.train) + len(own.sides.validation)
    monkeypatch.setattr(problem, "MOST_ROWS", 100)
    some = problem.problem_of_training(own)
    assert len(some.y) == len(some.samples.X) == len(some.units) == 100
    # No row of the test is among them, and the rows are the same whenever they are drawn.
    race_rows = {tuple(row) for row in np.nan_to_num(some.samples.X).tolist()}
    assert race_rows <= {tuple(row) for row in np.nan_to_num(whole.samples.X).tolist()}
    np.testing.assert_array_equal(problem.problem_of_training(own).y, some.y)
    by_time = replace(own, sides=msgspec.structs.replace(own.sides, by="time"))
    assert len(problem.problem_of_training(by_time).y) == len(whole.y)
