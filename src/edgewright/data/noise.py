"""Noise to mix into signals: kinds that are drawn, the files of `data/noises`, and noise that was recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.catalogue import find, listing
from edgewright.core.riff import read_wav
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

KINDS = "edgewright.data.noises"
Drawn = NDArray[np.float64]
# Power below which a signal or a noise is silence.
_SILENCE = 1e-12


@dataclass(frozen=True)
class Noise:
    """The one object `NOISE` of a noise's file; the file name is its kind.

    Attributes:
        description: in a few words.
        draw: (shape (..., samples), samples a second, generator) -> noise of that shape, of any power.
    """

    description: str
    draw: Callable[[tuple[int, ...], float, np.random.Generator], Drawn]


def kinds() -> list[str]:
    """Return kinds that can be drawn."""
    return sorted(listing(KINDS, "NOISE"))


def noise_of(kind: str) -> Noise:
    """Return the noise of this kind.

    Raises:
        UnknownNameError: listing the known ones.
    """
    made: Noise = find(KINDS, kind, "NOISE", "kind of noise")
    return made


def read_noise(file: str, rate: float, minimum: int) -> Drawn:
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
        raise InputError("a WAV file of noise", error.strerror or str(error), file) from None
    if sound.rate != rate:
        raise InputError(f"noise at {rate:g} Hz", f"{sound.rate} Hz", file, "Resample it first")
    if len(sound.values) < minimum:
        raise InputError(f"noise of at least {minimum:,} samples", f"{len(sound.values):,}", file)
    mono = np.asarray(sound.values.mean(axis=1), np.float64)
    if float(mono.std()) == 0.0:
        raise InputError("noise", "silence", file)
    return mono


def pieces(recorded: Drawn, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
    """Return stretches of recorded noise from random places, shape (..., samples)."""
    begins = rng.integers(0, len(recorded) - shape[-1] + 1, shape[:-1])
    return np.asarray(recorded[begins[..., None] + np.arange(shape[-1])], np.float64)


def scaled(noise: Drawn, signal: Floats, snr: object) -> Drawn:
    """Return the noise at a ratio to a signal: of the powers about their means, over the last axis.

    Args:
        noise: shape (..., samples).
        signal: shape (..., samples).
        snr: decibels, broadcast against (..., 1). A signal that never changes has no power and gets no noise.
    """
    level = signal.std(axis=-1, keepdims=True, dtype=np.float64) * 10.0 ** (-np.asarray(snr, np.float64) / 20.0)
    return np.asarray(noise * (level / np.maximum(noise.std(axis=-1, keepdims=True), _SILENCE)))
