"""Features of windows that a practitioner computes in NumPy: statistics, spectra, rhythm and correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Bands of the spectrum, equally wide up to half of the rate, and lags in rows of the autocorrelation.
_BANDS, _LAGS = 16, (4, 8, 12, 16, 20, 24, 32, 40)
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def statistics(channels: NDArray[np.float64]) -> NDArray[np.float64]:
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


def correlations(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of each pair of axes, shape (n, pairs)."""
    body = axes - axes.mean(axis=2, keepdims=True)
    body /= np.maximum(np.linalg.norm(body, axis=2, keepdims=True), 1e-9)
    pairs = np.triu_indices(axes.shape[1], 1)
    return np.stack([(body[:, a] * body[:, b]).sum(axis=1) for a, b in zip(*pairs, strict=True)], axis=1)
