"""Rows that are made in pieces while training give the weights of rows that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgewright import Pipeline
from edgewright.core.records.data import Floats
from edgewright.features.statistics import MEASURES
from edgewright.pipeline import fitting
from edgewright.pipeline.config import parse, read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan, parts
from edgewright.pipeline.run import RunResult, run_pipeline
from small_pipeline import run_small

if TYPE_CHECKING:
    pass

WIDE = "stages=[{kind='scale'},{kind='polynomial'},{kind='scale',method='standard'}]"


@pytest.mark.slow
def test_streamed_and_kept_rows_train_the_same_weights(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = run_small(small, tmp_path / "runs", WIDE, "training.epochs=5")
    monkeypatch.setattr(fitting, "KEEP_BYTES", 1)
    monkeypatch.setattr(fitting, "_PIECE", 7)
    streamed = run_small(small, tmp_path / "runs", WIDE, "training.epochs=5")
    notes = [stage.notes for stage in streamed.trace.stages]
    assert sum("computed in batches during training" in " ".join(note) for note in notes) == 2
    assert [s.shape_out for s in streamed.trace.stages] == [s.shape_out for s in kept.trace.stages]
    for ours, theirs in zip(
        Pipeline.load(streamed.folder).named_steps["model"].parameters_,
        Pipeline.load(kept.folder).named_steps["model"].parameters_,
        strict=True,
    ):
        for key in ours:
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-6)
    assert streamed.trace.provenance.package_hash == kept.trace.provenance.package_hash


def test_streamed_rows_are_the_rows_that_would_be_kept(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(str(small), (WIDE,))
    material = prepare(data_plan(config), None)
    stages = parts(config.stages, "small.toml")

    def flow() -> fitting.Flow:
        return fitting.fit_stages(material.samples, material.fitted_on, stages, material.task, 0, None, lambda _: None)

    kept = flow()
    monkeypatch.setattr(fitting, "KEEP_BYTES", 1)
    streamed = flow()
    assert not kept.pending
    assert len(streamed.pending) == 2
    rows = streamed.rows(material.sides.train)
    assert isinstance(rows, fitting.StreamedRows)
    assert rows.shape == (len(material.sides.train), 5)
    order = np.random.default_rng(0).permutation(len(rows))[:20]
    np.testing.assert_array_equal(rows.take(order), kept.array(material.sides.train)[order])
    np.testing.assert_array_equal(streamed.array(material.sides.test), kept.array(material.sides.test))


TEXT = """
name = "level"
refit = false
[data]
kind = "numpy"
rate = {rate}
[window]
samples = {samples}
[split]
by = "session"
[[stages]]
{stage}
[[stages]]
kind = "scale"
method = "standard"
[training]
epochs = 1
[compression]
max_drop = 1.0
"""


def on_a_level(level: float) -> Floats:
    rng = np.random.default_rng(0)
    strength = np.where(np.arange(200) % 2, 1.5, 1.0)[:, None, None]
    return np.asarray(level + strength * rng.normal(size=(200, 1, 64)) + rng.normal(size=(200, 1, 1)), np.float32)


def run(folder: Path, stage: str, X: Floats, rate: float = 50.0) -> RunResult:
    np.savez(folder / "level.npz", X=X, y=np.arange(200) % 2)
    config = parse(TEXT.format(stage=stage, rate=rate, samples=X.shape[2]), "level.toml")
    return run_pipeline(config, data=str(folder / "level.npz"), out=folder / "runs")


@pytest.mark.slow
def test_every_statistic_of_readings_on_a_large_level_agrees(tmp_path: Path) -> None:
    """An air pressure of 101,325 Pa that moves by 1 Pa: sums of it in float32 would cancel."""
    stage = f'kind = "statistics"\nfeatures = {list(MEASURES)}\nautocorrelation = [3]'
    result = run(tmp_path, stage, on_a_level(101_325.0))
    assert result.trace.compression is not None
    assert "features on 40 of 40 test samples" in result.trace.compression.notes[0]
    assert result.package is not None


@pytest.mark.slow
def test_quiet_bands_beside_a_loud_tone_agree(tmp_path: Path) -> None:
    """Sums over a frame round by its loudest tone: what that changes in quiet bands is small, and no disagreement."""
    rng = np.random.default_rng(0)
    turns = 2 * np.pi * (150 + 100 * rng.random((200, 1, 1))) * np.arange(2000) / 8000
    loudness = np.where(np.arange(200) % 20 == 0, 20.0, 0.02)[:, None, None]
    X = (loudness * np.sin(turns) + 0.01 * rng.normal(size=(200, 1, 2000))).astype(np.float32)
    stage = 'kind = "log_mel"\nmels = 14\nframe = 0.03\nhop = 0.02\nlow = 20.0\nfloor = 1e-3\nflatten = true'
    result = run(tmp_path, stage, X, 8000.0)
    assert result.trace.compression is not None
    assert "features on 40 of 40 test samples" in result.trace.compression.notes[0]


@pytest.mark.slow
def test_a_run_whose_export_disagrees_leaves_no_package(tmp_path: Path) -> None:
    """Powers that include the square of the level have no digits left for the movement."""
    stage = 'kind = "spectral"\nfeatures = ["bands"]\nedges = [2, 5, 10, 20]\ndetrend = false\nlog = false'
    result = run(tmp_path, stage, on_a_level(30_000.0))
    assert result.trace.compression is not None
    assert "of 40 test samples" in result.trace.compression.disagreement
    assert result.package is None
    assert not list(result.folder.glob("*.edge"))
    assert "differs from the Python pipeline" in result.refused
    assert result.trace.verdict.startswith("not ready")
