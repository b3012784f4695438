"""Disturbed test samples where recordings are no longer than a window."""

from __future__ import annotations

import numpy as np

from edgewright.data.samples import cut
from edgewright.pipeline.perturbations import disturbances
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Column, DataSet, Recording


def test_recordings_of_one_window_are_not_measured_at_a_lower_rate() -> None:
    rng = np.random.default_rng(0)
    recordings = tuple(
        Recording(
            name=f"beat-{i}",
            values=rng.normal(size=(40, 1)).astype(np.float32),
            target=np.full(40, "ab"[i % 2]),
            groups=np.full(40, f"person {i // 4}"),
        )
        for i in range(8)
    )
    dataset = DataSet(name="beats", columns=(Column(name="ecg"),), recordings=recordings, rate=100.0)
    window = WindowConfig(samples=40)
    samples = cut(dataset, window)
    made = disturbances(dataset, samples, window, frozenset({"person 0"}), np.arange(4))
    names = [name for name, _, _ in made]
    assert names == ["gain +5 %", "gain -5 %", "sampling rate +5 %"]
