"""Frames, mel filters and the cosine transform that `log_mel` and `mfcc` share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError


def to_mel(hertz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Hz to mel.

    'htk': 2595 log10(1 + f/700) (O'Shaughnessy, Speech Communication, 1987, as in the HTK Book). 'slaney': linear
    with 200/3 Hz a mel below 1000 Hz, above it 27 mel for each factor of 6.4 (Slaney, Auditory Toolbox, 1998).
    """
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    high = 15.0 + 27.0 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hertz < 1000.0, hertz * 3.0 / 200.0, high)


def from_mel(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Mel to Hz: the inverse of `to_mel`."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


def mel_edges(mels: int, low: float, high: float, scale: str) -> NDArray[np.float64]:
    """The mels + 2 corners of the triangles in Hz, equally far apart in mel."""
    ends = to_mel(np.asarray([low, high]), scale)
    return from_mel(np.linspace(ends[0], ends[1], mels + 2), scale)


def mel_matrix(frequencies: NDArray[np.float64], edges: NDArray[np.float64], where: str) -> NDArray[np.float32]:
    """Triangles of height 1 over the bins: (bins, mels).

    Raises:
        InputError: when a triangle is so narrow that it holds no bin.
    """
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies[:, None] - left) / (middle - left)
    falling = (right - frequencies[:, None]) / (right - middle)
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(matrix.sum(axis=0) == 0)
    if len(empty):
        raise InputError(
            f"mel filters wider than the resolution of {frequencies[1]:.3g} Hz",
            f"filter {empty[0] + 1} of {len(middle)} at {middle[empty[0]]:.4g} Hz without a bin",
            where,
            "Use fewer mels or a longer `fft`",
        )
    return matrix.astype(np.float32)


def frames(samples: int, frame: int, hop: int) -> NDArray[np.int64]:
    """Places of the samples of each whole frame: (frames, frame)."""
    count = (samples - frame) // hop + 1
    return np.arange(count)[:, None] * hop + np.arange(frame)


def dct_matrix(mels: int, coefficients: int) -> NDArray[np.float32]:
    """The orthonormal cosine transform of type II: (mels, coefficients) (Ahmed, Natarajan and Rao, 1974)."""
    angle = np.pi / mels * (np.arange(mels)[:, None] + 0.5) * np.arange(coefficients)
    matrix = np.sqrt(2.0 / mels) * np.cos(angle)
    matrix[:, 0] = np.sqrt(1.0 / mels)
    return np.asarray(matrix, np.float32)
