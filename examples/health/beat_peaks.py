"""R peaks of an electrocardiogram, found without its annotations: a device has none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

Array = NDArray[np.float64]
# Seconds of moving means whose difference keeps 5 to 15 Hz, and over which energy is summed: Pan and Tompkins (1985).
_SHORT, _LONG, _ENERGY = 0.03, 0.1, 0.15
# Seconds: no beat follows another sooner; the peak of a beat lies so near that of its energy.
_REFRACTORY, _NEAR = 0.25, 0.09
# A beat's energy is at least this share of the median of the last so many: a wide ventricular beat has little between 5
# and 15 Hz. Where none came for so many of their intervals, a weaker one is taken.
_SHARE, _MISSING_SHARE, _RECENT, _PAUSE = 0.15, 0.05, 8, 1.66


def find_peaks(signal: Floats, rate: float) -> NDArray[np.int64]:
    """Return the rows of R peaks, where the energy of 5 to 15 Hz is near that of the last beats.

    Args:
        signal: one lead, shape (n,).
        rate: samples a second.

    Returns:
        Rows in order, shape (peaks,).
    """
    if len(signal) < 3:
        return np.zeros(0, np.int64)
    band = _mean(signal, _SHORT * rate) - _mean(signal, _LONG * rate)
    energy = _mean(np.gradient(band) ** 2, _ENERGY * rate)
    tops = _tops(energy, max(1, round(_REFRACTORY * rate)))
    if not len(tops):
        return tops
    near = max(1, round(_NEAR * rate))
    strong = _beats(tops, energy[tops], rate)
    peaks = [max(0, top - near) + int(np.abs(band[max(0, top - near) : top + near + 1]).argmax()) for top in strong]
    return np.unique(np.array(peaks, np.int64))


def _mean(values: NDArray[np.floating], samples: float) -> Array:
    """Return the centred moving mean of about so many samples, an odd number; ends repeat the first and last value."""
    half = max(1, round(samples) // 2)
    padded = np.concatenate([np.full(half + 1, values[0]), values, np.full(half, values[-1])]).astype(np.float64)
    total = np.cumsum(padded)
    mean: Array = (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)
    return mean


def _tops(energy: Array, distance: int) -> NDArray[np.int64]:
    """Return local maxima that are the largest within `distance` rows on both sides."""
    local = np.flatnonzero((energy[1:-1] >= energy[:-2]) & (energy[1:-1] > energy[2:])) + 1
    kept = [row for row in local.tolist() if energy[row] >= energy[max(0, row - distance) : row + distance + 1].max()]
    return np.array(kept, np.int64)


def _beats(tops: NDArray[np.int64], energies: Array, rate: float) -> list[int]:
    """Return the maxima that are beats: strong against the last ones, or the strongest of a pause that is too long."""
    usual = [float(np.median(energies[: 2 * _RECENT]))] * _RECENT
    kept: list[int] = []
    weaker: list[int] = []
    for number, (top, energy) in enumerate(zip(tops.tolist(), energies.tolist(), strict=True)):
        level = float(np.median(usual[-_RECENT:]))
        recent = np.diff(tops[kept[-_RECENT:]]) if len(kept) > 1 else np.array([rate])
        if kept and weaker and top - tops[kept[-1]] > _PAUSE * float(np.median(recent)):
            best = max(weaker, key=lambda row: energies[row])
            if energies[best] > _MISSING_SHARE * level:
                kept.append(best)
        if energy > _SHARE * level:
            kept.append(number)
            weaker.clear()
            # One burst of noise does not raise what later beats are compared with.
            usual.append(min(energy, 3 * level))
        else:
            weaker.append(number)
    return [int(tops[number]) for number in kept]
