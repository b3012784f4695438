"""Rows with a rhythm and noise, and one detector of every kind fitted on them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import Running, kind
from edgewright.workflows.detection.fit import DETECTORS, learn
from edgewright.workflows.detection.rows import Stretch

KINDS = catalogue.listing(DETECTORS, "DETECTOR")
CHANNELS = 3
# Settings that make a test short, where the defaults are for real streams.
SETTINGS: dict[str, dict[str, Any]] = {
    "own_past": {"warm_up": 20},
    "spectral_residual": {"samples": 32},
    "autoencoder": {"epochs": 20, "mean": 3},
    "robust": {"season": 3600.0, "bins": 4, "mean": 3},
    "pca": {"mean": 4},
}


def rows(count: int, seed: int = 0) -> tuple[Floats, NDArray[np.float64]]:
    """Three channels with rhythms of their own, shape (count, 3), and a row every 10 s."""
    rng = np.random.default_rng(seed)
    time: NDArray[np.float64] = 10.0 * np.arange(count, dtype=np.float64)
    wave = np.sin(2 * np.pi * time / 600)
    clean = np.stack([wave, 20 + 3 * np.sin(2 * np.pi * time / 410), np.cos(2 * np.pi * time / 600)], 1)
    return (clean + 0.05 * rng.standard_normal((count, CHANNELS))).astype(np.float32), time


@cache
def fitted(name: str) -> dict[str, Any]:
    """Return what a detector of this kind learnt from 400 of these rows."""
    values, time = rows(400)
    return learn(name, kind(name).config(**SETTINGS.get(name, {})), (Stretch("", values, time),))


def started(name: str) -> Running:
    """Return a fresh one at work."""
    return kind(name).start(fitted(name))


def resumed(name: str, state: dict[str, Any]) -> Running:
    """Return one that goes on from a state."""
    running = started(name)
    running.resume(state)
    return running
