"""Strokes of a wand: the trajectory at equal steps of its length, its directions, and where it starts and ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.core.records.data import Samples

_POINTS = 32

Path2D = NDArray[np.float64]


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return them. Zeros at the end of a sample are padding and are cut off."""
    strokes = [_stroke(np.asarray(window, np.float64)) for window in samples.X]
    points = np.array([_resampled(stroke, _by_length(stroke)) for stroke in strokes])
    timed = np.array([_resampled(stroke, np.linspace(0, 1, len(stroke))) for stroke in strokes])
    step = np.diff(points, axis=1)
    direction = step / np.maximum(np.linalg.norm(step, axis=2, keepdims=True), 1e-9)
    tables = {
        "points by length": _flat(points),
        "points by time": _flat(timed),
        "points and directions": np.concatenate([_flat(points), 0.5 * _flat(direction)], axis=1),
    }
    ways = {
        "SVM, C 3": models.support_vectors(3.0),
        "SVM, C 30": models.support_vectors(30.0),
        "extra trees": models.extra_trees(),
        "logistic regression": models.logistic(0.1),
        "nearest neighbours": KNeighborsClassifier(3, weights="distance"),
    }
    return [Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in ways.items()]


def _stroke(window: NDArray[np.float64]) -> Path2D:
    """Return the points (n, 2), centred and of height or width 2, without the zeros that fill the window."""
    points = window.T
    last = int(np.flatnonzero(np.abs(points).sum(axis=1) > 0)[-1]) + 1
    points = points[:last]
    centre = (points.max(axis=0) + points.min(axis=0)) / 2
    return np.asarray((points - centre) / (np.ptp(points, axis=0).max() / 2))


def _by_length(points: Path2D) -> NDArray[np.float64]:
    """Return the share of the whole length at which each point lies."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.asarray(length / length[-1])


def _resampled(points: Path2D, at: NDArray[np.float64]) -> Path2D:
    steps = np.linspace(0, 1, _POINTS)
    return np.stack([np.interp(steps, at, coordinate) for coordinate in points.T], axis=1)


def _flat(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points.reshape(len(points), -1)
