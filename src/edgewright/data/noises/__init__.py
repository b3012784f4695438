"""Noise to mix into signals: kinds that are drawn, a family a file, and noise that was recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import Registry
from edgewright.core.errors import RateDiffersError, UnknownNameError, WavError
from edgewright.core.input.riff import read_wav
from edgewright.core.records.data import Floats

Noise = NDArray[np.float64]
Shape = tuple[int, ...]
# Power below which a signal or a noise is silence.
_SILENCE = 1e-12

noise_kind: Registry[Callable[[Shape, float, np.random.Generator], Noise]] = Registry(__name__)
"""Registers a kind: (shape (..., samples), samples a second, generator) -> noise of that shape, of any power."""


def draw_noise(kind: str, shape: Shape, rate: float, rng: np.random.Generator) -> Noise:
    """Draw noise of a kind, of any power.

    Args:
        kind: a registered one.
        shape: (..., samples).
        rate: samples a second.
        rng: draws.

    Raises:
        UnknownNameError: listing the known kinds.
    """
    if kind not in noise_kind.known:
        raise UnknownNameError("kind of noise", kind, noise_kind.known)
    return noise_kind.known[kind](shape, rate, rng)


def read_noise(file: str, rate: float, minimum: int) -> Noise:
    """Read recorded noise and average its channels: shape (samples,).

    Args:
        file: WAV.
        rate: samples a second that it must have.
        minimum: samples that it must have.

    Raises:
        InputError: no such file, of another rate, too short, or silent.
    """
    try:
        sound = read_wav(Path(file).read_bytes(), file)
    except OSError as error:
        raise WavError("a WAV file of noise", error.strerror or str(error), file) from None
    if sound.rate != rate:
        raise RateDiffersError(f"noise at {rate:g} Hz", f"{sound.rate} Hz", file, "Resample it first")
    if len(sound.values) < minimum:
        raise WavError(f"noise of at least {minimum:,} samples", f"{len(sound.values):,}", file)
    mono = np.asarray(sound.values.mean(axis=1), np.float64)
    if float(mono.std()) == 0.0:
        raise WavError("noise", "silence", file)
    return mono


def pieces(recorded: Noise, shape: Shape, rng: np.random.Generator) -> Noise:
    """Return stretches of recorded noise from random places, shape (..., samples)."""
    begins = rng.integers(0, len(recorded) - shape[-1] + 1, shape[:-1])
    return np.asarray(recorded[begins[..., None] + np.arange(shape[-1])], np.float64)


def scaled(noise: Noise, signal: Floats, snr: object) -> Noise:
    """Return the noise at a ratio to a signal: of the powers about their means, over the last axis.

    Args:
        noise: shape (..., samples).
        signal: shape (..., samples).
        snr: decibels, broadcast against (..., 1). A signal that never changes has no power and gets no noise.
    """
    level = signal.std(axis=-1, keepdims=True, dtype=np.float64) * 10.0 ** (-np.asarray(snr, np.float64) / 20.0)
    return np.asarray(noise * (level / np.maximum(noise.std(axis=-1, keepdims=True), _SILENCE)))
