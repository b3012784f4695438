"""Activities of the wrist: statistics, spectra and rhythm of windows of acceleration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.schema.data import Samples

# Bands of the spectrum, equally wide up to half of the rate, and lags in rows of the autocorrelation.
_BANDS, _LAGS = 16, (4, 8, 12, 16, 20, 24, 32, 40)
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return them."""
    axes = np.nan_to_num(np.asarray(samples.X, np.float64))
    size = np.linalg.norm(axes, axis=1, keepdims=True)
    level = axes.mean(axis=2, keepdims=True)
    up = level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    vertical = ((axes - level) * up).sum(axis=1, keepdims=True)
    horizontal = np.linalg.norm(axes - level - vertical * up, axis=1, keepdims=True)
    plain = np.concatenate([_of(axes), _of(size), _crossed(axes)], axis=1)
    turned = np.concatenate([_of(size), _of(vertical), _of(horizontal), up[:, :, 0]], axis=1)
    both = np.concatenate([plain, turned], axis=1)
    trees, machine = models.extra_trees(max_features=0.2, min_samples_leaf=2), models.support_vectors(1.0)
    tables = {"axes": plain, "up and across": turned, "axes, up and across": both}
    every = {
        "extra trees": trees,
        "SVM, C 1": machine,
        "SVM, C 10, wide": models.support_vectors(10.0, 0.001),
        "logistic regression": models.logistic(0.03),
    }
    found = [Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in every.items()]
    boosted = models.boosting(max_iter=100, max_leaf_nodes=15, max_features=0.2)
    more = {
        "random forest": models.forest(min_samples_leaf=2),
        "boosted trees": boosted,
        "vote of SVM, extra trees and boosted trees": models.vote(machine=machine, trees=trees, boosted=boosted),
    }
    return [*found, *(Candidate(f"axes, up and across, {name}", both, way) for name, way in more.items())]


def _of(channels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return features of each channel: level, spread, shape, jerk, spectrum, entropy and rhythm; shape (n, features).

    Args:
        channels: shape (n, channels, rows).
    """
    count, _, rows = channels.shape
    body = channels - channels.mean(axis=2, keepdims=True)
    spread = body.std(axis=2)
    jerk = np.diff(channels, axis=2)
    power = np.abs(np.fft.rfft(body * np.hanning(rows), axis=2))[:, :, 1:] ** 2
    edges = np.linspace(0, power.shape[2], _BANDS + 1).astype(int)[:-1]
    bands = np.add.reduceat(power, edges, axis=2)
    share = power / np.maximum(power.sum(axis=2, keepdims=True), 1e-12)
    entropy = -(share * np.log(share + 1e-12)).sum(axis=2)
    variance = np.maximum(spread**2, 1e-12)
    rhythm = [(body[:, :, lag:] * body[:, :, :-lag]).mean(axis=2) / variance for lag in _LAGS if 2 * lag < rows]
    shape = (body**3).mean(axis=2) / variance**1.5
    tail = (body**4).mean(axis=2) / variance**2
    parts = [channels.mean(axis=2), np.log(spread + 0.01), np.log(jerk.std(axis=2) + 0.01), shape, np.log(tail + 1),
             entropy, power.argmax(axis=2), *np.quantile(channels, _QUANTILES, axis=2), *rhythm]  # fmt: skip
    return np.concatenate([*parts, np.log(bands + 0.01).reshape(count, -1)], axis=1)


def _crossed(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each pair of axes, shape (n, pairs)."""
    body = axes - axes.mean(axis=2, keepdims=True)
    body /= np.maximum(np.linalg.norm(body, axis=2, keepdims=True), 1e-9)
    pairs = np.triu_indices(axes.shape[1], 1)
    return np.stack([(body[:, a] * body[:, b]).sum(axis=1) for a, b in zip(*pairs, strict=True)], axis=1)
