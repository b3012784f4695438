"""The comparison of float ONNX with Python does not take the last digit of a large reading for a disagreement."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.pipeline.config import parse
from edgewright.pipeline.run import run_pipeline

TEXT = """
name = "volts"
[data]
kind = "numpy"
[window]
samples = 30
[split]
by = "session"
[[stages]]
kind = "statistics"
features = ["mean", "std", "slope"]
[[stages]]
kind = "scale"
method = "standard"
[training]
epochs = 1
[compression]
max_drop = 1.0
"""


def test_means_of_large_readings_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = (230 + rng.normal(size=(200, 1, 30))).astype(np.float32)
    np.savez(tmp_path / "volts.npz", X=X, y=np.arange(200) % 2)
    trace = run_pipeline(parse(TEXT, "volts.toml"), data=str(tmp_path / "volts.npz"), out=tmp_path / "runs").trace
    assert trace.compression is not None
    assert "features on 40 of 40 test samples" in trace.compression.notes[0]
    assert trace.warnings == ()
