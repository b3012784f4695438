"""Spectral residual: what stands out of a stream's own recent spectrum (Ren et al., KDD 2019, section 3.1).

The logarithm of the amplitudes less its moving mean, taken back to time, is the saliency; the newest row is compared
with the mean saliency of the window. Nothing is learnt beforehand. The stream is prolonged by a few points, as in the
paper, because the newest row would else stand at the edge, where the transform sees it worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DetectorSettingsError
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import DetectorConfig, DetectorKind
from edgewright.monitor.detectors._row import RowDetector

_TINY = 1e-8
# Points from which the prolongation takes its slope, and how many it adds: kappa and m of the paper, both 5.
_SLOPE, _AHEAD = 5, 5
# Rows whose windows are transformed at once.
_PIECE = 1024


class SpectralResidualConfig(DetectorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the spectral residual.

    Attributes:
        samples: rows of the window.
        smooth: places of the moving mean over the spectrum.
    """

    samples: int = 64
    smooth: int = 3


class _SpectralResidual(RowDetector):
    """At work. A missing value is taken as the one before it; scores begin when the window is full."""

    KEPT = ("parts", "held", "seen")

    def __init__(self, learnt: dict[str, Any]) -> None:
        super().__init__(int(learnt["channels"]))
        samples = int(learnt["samples"])
        self._smooth = int(learnt["smooth"])
        self._held = np.zeros((self.channels, samples))
        self._seen = 0

    def row(self, x: NDArray[np.float64], present: NDArray[np.bool_], time: float) -> float:
        """Return the largest of all channels' saliencies relative to their means."""
        newest = np.where(present, x, self._held[:, -1] if self._seen else 0.0)
        self._held = np.concatenate([self._held[:, 1:], newest[:, None]], axis=1)
        self._seen = min(self._seen + 1, self._held.shape[1])
        if self._seen < self._held.shape[1]:
            self._parts = np.zeros(self.channels)
            return math.nan
        self._parts = (self._saliency(self._held) if self._prepared is None else self._prepared) * present
        return float(self._parts.max())

    def prepare(self, wide: NDArray[np.float64], present: NDArray[np.bool_]) -> Iterable[NDArray[np.float64]]:
        """Yield the saliency of the newest row of each window."""
        samples = self._held.shape[1]
        values = np.concatenate([self._held.T, wide])
        known = np.concatenate([np.ones(self._held.T.shape, np.bool_), present])
        last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], 0), axis=0)
        windows = np.lib.stride_tricks.sliding_window_view(np.take_along_axis(values, last, 0), samples, axis=0)[1:]
        for start in range(0, len(windows), _PIECE):
            piece = windows[start : start + _PIECE]
            yield from self._saliency(piece.reshape(-1, samples)).reshape(len(piece), -1)

    def _saliency(self, series: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the newest row of each window is above its mean saliency, in means; 0 for what does not move.

        Args:
            series: shape (windows, samples).
        """
        low, high = series.min(1), series.max(1)
        moving = high - low > 1e-9 * np.maximum(np.abs(low), np.abs(high))
        values = (series - series.mean(1)[:, None]) / np.where(moving, high - low, 1.0)[:, None]
        # The newest row takes no part: a spike would be prolonged and look like the beginning of something.
        slope = ((values[:, -2:-1] - values[:, -2 - _SLOPE : -2]) / np.arange(_SLOPE, 0, -1)).mean(1)
        ahead = values[:, -1 - _SLOPE] + slope * _SLOPE
        spectrum = np.fft.fft(np.concatenate([values, np.repeat(ahead[:, None], _AHEAD, 1)], 1))
        amplitude = np.abs(spectrum) + _TINY
        logs = np.log(amplitude)
        # A spectrum is a ring: its mean goes on over the ends.
        around = range(-(self._smooth // 2), self._smooth - self._smooth // 2)
        residual = logs - np.stack([np.roll(logs, places, 1) for places in around]).mean(0)
        saliency = np.abs(np.fft.ifft(np.exp(residual) * spectrum / amplitude))[:, : values.shape[1]]
        mean = saliency.mean(1)
        return np.asarray(np.maximum(saliency[:, -1] - mean, 0.0) / np.maximum(mean, _TINY) * moving)


def fit(config: SpectralResidualConfig, values: Floats, time: NDArray[np.float64]) -> dict[str, Any]:
    """Learn nothing but the number of channels.

    Raises:
        InputError: a window of fewer than 16 rows, or a mean longer than a quarter of it.
    """
    if config.samples < 16 or not 1 <= config.smooth <= config.samples // 4:
        raise DetectorSettingsError(
            "samples from 16 on and smooth up to a quarter of them", f"{config.samples}, {config.smooth}"
        )
    return {"channels": int(values.shape[1]), "samples": config.samples, "smooth": config.smooth}


DETECTOR = DetectorKind(config=SpectralResidualConfig, fit=fit, start=_SpectralResidual)
