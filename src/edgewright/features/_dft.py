"""The real discrete Fourier transform as two matrices, scaled so that the powers sum to the mean square."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.formula import Value, matmul


def frequencies(samples: int, rate: float) -> NDArray[np.float64]:
    """Frequency in Hz of each bin; none is beyond half the rate, where a band may end, by its last digit."""
    return np.asarray(np.minimum(np.fft.rfftfreq(samples, 1.0 / rate), rate / 2), np.float64)


def hann(samples: int) -> NDArray[np.float64]:
    """The periodic Hann window: 0.5 - 0.5 cos(2 pi t / samples) (Harris, Proc. IEEE 66, 1978)."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(samples) / samples)


@cache
def matrices(
    samples: int, window: str = "none", length: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine and sine matrices (samples, bins) with which `power` gives a one-sided power spectrum.

    Without a window the powers of all bins sum to the mean square of the samples (Parseval).

    Args:
        samples: of a frame.
        window: taper of a frame, 'hann' or 'none'.
        length: of the transform, the frame padded with zeros; the frame itself when None.
    """
    length = samples if length is None else length
    taper = hann(samples) if window == "hann" else np.ones(samples)
    bins = np.arange(length // 2 + 1)
    # exact reduction of the angle before the cosine keeps the last digits of high bins
    angle = 2.0 * np.pi * (np.outer(np.arange(samples), bins) % length) / length
    twice = np.where((bins == 0) | ((length % 2 == 0) & (bins == length // 2)), 1.0, 2.0)
    scale = np.sqrt(twice / (length * np.sum(taper**2)))
    weights = taper[:, None] * scale
    return (weights * np.cos(angle)).astype(np.float32), (weights * np.sin(angle)).astype(np.float32)


def power(x: Value, cosine: NDArray[np.float32], sine: NDArray[np.float32]) -> Value:
    """Power of each bin: (..., samples) -> (..., bins)."""
    real, imaginary = matmul(x, cosine), matmul(x, sine)
    return real * real + imaginary * imaginary
