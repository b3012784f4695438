"""Classical ways to denoise, which a trained one has to beat: one function each, settings chosen on validation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import istft, savgol_filter, stft

from edgewright.schema.data import Floats

Baseline = Callable[[Floats, float, float], Floats]
# Samples a second from which a signal is sound, with frames of a fixed length in time.
_SOUND, _FRAME = 4000.0, 0.032
_FLOOR = 0.1


def identity(noisy: Floats, rate: float, setting: float) -> Floats:
    """Nothing done."""
    del rate, setting
    return noisy


def moving_average(noisy: Floats, rate: float, setting: float) -> Floats:
    """Return mean of `setting` samples around each, an odd number; it sees as many later ones as earlier ones."""
    del rate
    width = int(setting)
    around = np.pad(noisy, ((0, 0), (width // 2, width // 2)), mode="edge")
    sums = np.cumsum(np.pad(around.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width, np.float32)


def savitzky_golay(noisy: Floats, rate: float, setting: float) -> Floats:
    """Cubic fit to `setting` samples around each (Savitzky and Golay, 1964), later ones included."""
    del rate
    return np.asarray(savgol_filter(noisy, int(setting), 3, axis=1), np.float32)


def spectral_wiener(noisy: Floats, rate: float, setting: float) -> Floats:
    """Spectral subtraction as a Wiener gain on short frames.

    The noise of a frequency is `setting` times the tenth percentile of its power over the whole recording, later
    frames included; the ratio of signal to noise is smoothed from frame to frame by the decision-directed rule
    (Y. Ephraim and D. Malah, 1984) with a factor of .98. A gain is at least a tenth.
    """
    samples = noisy.shape[1]
    length = int(2 ** round(np.log2(rate * _FRAME))) if rate >= _SOUND else 64
    length = max(8, min(length, samples // 2))
    made = np.empty_like(noisy)
    for channel in range(len(noisy)):
        mean = float(noisy[channel].mean())
        _, _, parts = stft(noisy[channel] - mean, rate, nperseg=length, noverlap=length * 3 // 4)
        power = np.abs(parts) ** 2
        level = np.maximum(setting * np.quantile(power, 0.1, axis=1), 1e-20)
        gains, before = np.empty_like(power), np.zeros(len(power))
        for frame in range(power.shape[1]):
            after = power[:, frame] / level
            prior = 0.98 * before + 0.02 * np.maximum(after - 1.0, 0.0)
            gains[:, frame] = np.maximum(prior / (1.0 + prior), _FLOOR)
            before = gains[:, frame] ** 2 * after
        _, clean = istft(parts * gains, rate, nperseg=length, noverlap=length * 3 // 4)
        made[channel] = clean[:samples] + mean
    return made


BASELINES: dict[str, tuple[Baseline, tuple[float, ...]]] = {
    "identity": (identity, (0.0,)),
    "moving average": (moving_average, (3, 5, 9, 15)),
    "Savitzky-Golay": (savitzky_golay, (5, 7, 11, 21)),
    "spectral Wiener": (spectral_wiener, (1.0, 2.0, 4.0, 8.0)),
}
"""Function of (noisy (channels, samples), rate, setting), and the settings that are tried on validation."""
