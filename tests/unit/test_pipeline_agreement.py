"""The float ONNX graph beside the Python pipeline: large readings agree, and a run that disagrees leaves no package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.features._moments import MEASURES
from edgewright.pipeline.config import parse
from edgewright.pipeline.run import RunResult, run_pipeline

TEXT = """
name = "level"
refit = false
[data]
kind = "numpy"
rate = 50.0
[window]
samples = 64
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


def run(folder: Path, stage: str, level: float) -> RunResult:
    rng = np.random.default_rng(0)
    X = (level + rng.normal(size=(200, 1, 64)) + rng.normal(size=(200, 1, 1))).astype(np.float32)
    np.savez(folder / "level.npz", X=X, y=np.arange(200) % 2)
    config = parse(TEXT.format(stage=stage), "level.toml")
    return run_pipeline(config, data=str(folder / "level.npz"), out=folder / "runs")


def test_every_statistic_of_readings_on_a_large_level_agrees(tmp_path: Path) -> None:
    """An air pressure of 101,325 Pa that moves by 1 Pa: sums of it in float32 would cancel."""
    stage = f'kind = "statistics"\nfeatures = {list(MEASURES)}\nautocorrelation = [3]'
    result = run(tmp_path, stage, 101_325.0)
    assert result.trace.compression is not None
    assert "features on 40 of 40 test samples" in result.trace.compression.notes[0]
    assert result.package is not None


def test_a_run_whose_export_disagrees_leaves_no_package(tmp_path: Path) -> None:
    """Powers that include the square of the level have no digits left for the movement."""
    stage = 'kind = "spectral"\nfeatures = ["bands"]\nedges = [2, 5, 10, 20]\ndetrend = false\nlog = false'
    result = run(tmp_path, stage, 30_000.0)
    assert result.trace.compression is not None
    assert "of 40 test samples" in result.trace.compression.disagreement
    assert result.package is None
    assert not list(result.folder.glob("*.edge"))
    assert "differs from the Python pipeline" in result.refused
    assert result.trace.verdict.startswith("not ready")
