"""How good a denoised signal is, in decibels; all about the means of the signals, over (channels, samples)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats

# Segments: 30 ms of sound, half a second of slower signals; clamped as usual (P. Loizou, "Speech Enhancement", 2013).
_SOUND, _SEGMENT, _SLOW_SEGMENT = 1000.0, 0.03, 0.5
_LOW, _HIGH = -10.0, 35.0
_TINY = 1e-12


def snr(clean: Floats, given: Floats) -> float:
    """Power of the clean signal over that of what is left of the noise."""
    signal = _centred(clean)
    return _ratio(float((signal**2).sum()), float(((given - clean).astype(np.float64) ** 2).sum()))


def si_sdr(clean: Floats, given: Floats) -> float:
    """Scale-invariant signal-to-distortion ratio (J. Le Roux et al., "SDR - half-baked or well done?", 2019)."""
    signal, answer = _centred(clean).ravel(), _centred(given).ravel()
    target = signal * (float(answer @ signal) / max(float(signal @ signal), _TINY))
    return _ratio(float((target**2).sum()), float(((answer - target) ** 2).sum()))


def segmental_snr(clean: Floats, given: Floats, rate: float) -> float:
    """Mean of the ratios of short segments, each held within -10 and 35 dB."""
    length = max(8, round(rate * (_SEGMENT if rate >= _SOUND else _SLOW_SEGMENT)))
    whole = clean.shape[1] // length * length
    if not whole:
        return float(np.clip(snr(clean, given), _LOW, _HIGH))
    signal = _centred(clean)[:, :whole].reshape(len(clean), -1, length)
    error = (given - clean).astype(np.float64)[:, :whole].reshape(len(clean), -1, length)
    ratios = 10.0 * np.log10(((signal**2).sum((0, 2)) + _TINY) / ((error**2).sum((0, 2)) + _TINY))
    return float(np.clip(ratios, _LOW, _HIGH).mean())


def _centred(signal: Floats) -> NDArray[np.float64]:
    wide = signal.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True))


def _ratio(signal: float, error: float) -> float:
    return float(10.0 * np.log10((signal + _TINY) / (error + _TINY)))
