"""The real discrete Fourier transform as two matrices, scaled so that the powers sum to the mean square."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.formula import Value, matmul

# How much longer zeros may make a window where that saves steps.
_LONGER = 1.125
# Steps a sample up to which a length is taken as it is: 250 and 1,000 samples take 285 and 301, 486 take 335.
_MOST_STEPS = 305


def frequencies(samples: int, rate: float) -> NDArray[np.float64]:
    """Frequency in Hz of each bin; none is beyond half the rate, where a band may end, by its last digit."""
    return np.asarray(np.minimum(np.fft.rfftfreq(samples, 1.0 / rate), rate / 2), np.float64)


def fast_length(samples: int) -> int:
    """Return a length, of at least so many samples, whose transform takes few steps.

    A window whose half is a product of few small primes is long enough as it is. Another is followed by zeros: a
    transform takes steps by the sum of the primes of its length, of a prime of 500 some hundred times those of 512.
    Zeros move the bins a little closer together; what they sum to stays the same.
    """
    own = _steps(samples // 2) if samples % 2 == 0 else None
    if own is not None and own <= _MOST_STEPS * (samples // 2):
        return samples
    steps_of = {length: _steps(length // 2) for length in range(samples + samples % 2, 2 * samples + 2, 2)}
    near = [length for length, steps in steps_of.items() if steps is not None and length <= _LONGER * samples]
    # Powers of 2 lie less than a factor of 2 apart: there is always one.
    near = near or [length for length, steps in steps_of.items() if steps is not None][:1]
    return min(near, key=lambda length: steps_of[length] or 0)


def cheaper_length(samples: int) -> int | None:
    """Return the nearest length, at most an eighth away, that takes half as many steps; None where there is none."""
    used = _steps(fast_length(samples) // 2) or 0
    near = range(round(samples / _LONGER), round(samples * _LONGER) + 1)
    steps = {length: _steps(length // 2) for length in near if length % 2 == 0}
    lengths = [length for length, count in steps.items() if count is not None and 2 * count <= used]
    return min(lengths, key=lambda length: abs(length - samples), default=None)


def _steps(half: int) -> int | None:
    """Instructions, roughly, of the passes over so many complex numbers; None where a prime is too large."""
    steps, left = 0, half
    for radix in (4, 2, 3, 5, 7):
        while left % radix == 0:
            left //= radix
            steps += half * (16 if radix == 4 else 25 + 14 * radix)
    return steps if left == 1 else None


def hann(samples: int) -> NDArray[np.float64]:
    """Return the periodic Hann window: 0.5 - 0.5 cos(2 pi t / samples) (Harris, Proc. IEEE 66, 1978)."""
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
        length: length of the transform, the frame padded with zeros; the frame itself when None.
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
