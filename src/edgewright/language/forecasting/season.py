"""Finding seasons by autocorrelation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEAST = 0.3
# Of differences, which are noisier; and never less than chance gives: 3 deviations of white noise.
LEAST_OF_CHANGES = 0.15
_MOST = 1024
_ABOVE = 0.05


@dataclass(frozen=True)
class Season:
    """A period of a series.

    Attributes:
        rows: after which it repeats.
        correlation: autocorrelation there, of the detrended values or of their changes.
        of_changes: whether it was found in the changes from row to row.
    """

    rows: int
    correlation: float
    of_changes: bool = False


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Of the values less their line, at lags 0 to `lags`, by the Fourier transform (Wiener-Khinchin)."""
    rows = len(values)
    x = np.arange(rows) - (rows - 1) / 2
    centred = values - values.mean()
    centred = centred - x * float(x @ centred) / max(float(x @ x), 1.0)
    spectrum = np.abs(np.fft.rfft(centred, 2 * rows)) ** 2
    whole = np.fft.irfft(spectrum, 2 * rows)[: lags + 1]
    # Unbiased: a long lag has fewer pairs.
    whole = whole / np.maximum(rows - np.arange(lags + 1), 1)
    return np.asarray(whole / whole[0] if whole[0] > 0 else np.zeros(lags + 1))


def find_seasons(values: NDArray[np.float64]) -> list[Season]:
    """At most two seasons, ascending; the longer is a multiple of the shorter that repeats better than other multiples.

    A season is a peak of the autocorrelation of at least `LEAST` that stands above its surroundings, and the series
    must be three of them long.

    A series that wanders has no season in its values: then its changes from row to row are looked at, in which a peak
    of `LEAST_OF_CHANGES` counts.

    Args:
        values: shape (rows,), finite.
    """
    found = _seasons(values, LEAST)
    if found:
        return found
    changes = _seasons(np.diff(values), max(LEAST_OF_CHANGES, 3 / len(values) ** 0.5))
    return [replace(season, of_changes=True) for season in changes]


def _seasons(values: NDArray[np.float64], least: float) -> list[Season]:
    most = min(len(values) // 3, _MOST)
    if most < 4 or float(values.std()) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return []
    found = autocorrelation(values, most + 1)
    peaks = [lag for lag in range(3, most + 1) if found[lag] >= found[lag - 1] and found[lag] > found[lag + 1]]
    # A smooth series has high values everywhere: a season comes after a valley.
    peaks = [lag for lag in peaks if found[lag] >= least and found[lag] - found[1:lag].min() >= 0.2]
    if not peaks:
        return []
    best = max(found[lag] for lag in peaks)
    first = next(lag for lag in peaks if found[lag] >= 0.7 * best)
    seasons = [Season(first, float(found[first]))]
    # A week stands out among the days: higher than every other number of days, and than the lowest before it.
    days = {lag: float(found[lag]) for lag in range(2 * first, most + 1, first)}
    longer = max(days, key=lambda lag: (days[lag], -lag), default=0)
    if longer in peaks and longer > 2 * first and days[longer] - min(days.values()) >= _ABOVE:
        seasons.append(Season(longer, days[longer]))
    return seasons
