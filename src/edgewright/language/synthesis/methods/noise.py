"""Noise mixed in at a given ratio of signal to noise: white, pink, or what was recorded in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Windows, spread
from edgewright.runtime.riff import read_wav
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

Decibel = Annotated[float, msgspec.Meta(ge=-40.0, le=100.0)]


class NoiseConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mixed in.

    Attributes:
        snr: ratio of the powers of signal and noise in decibels, about their means, over each window; the lower end
            where `until` is given, and each window then gets its own.
        until: upper end.
        kind: 'white', or 'pink' with power falling by the frequency.
        file: WAV of noise at the rate of the signals instead, taken from a random place.
    """

    snr: Decibel = 10.0
    until: Decibel | None = None
    kind: Literal["white", "pink"] = "white"
    file: str = ""


def apply(config: NoiseConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Mixed signals. A channel that never changes has no power and stays as it is.

    Raises:
        InputError: for an upper end below the lower, or a file of another rate, shorter than a window, or silent.
    """
    last = config.snr if config.until is None else config.until
    if last < config.snr:
        raise InputError("`until` of at least `snr`", f"{last:g} below {config.snr:g}", "synth noise")
    if config.file:
        drawn = _recorded(config.file, windows, rng)
    else:
        drawn = rng.standard_normal(windows.x.shape)
        if config.kind == "pink":
            drawn = _pink(drawn)
    power = spread(drawn.astype(np.float32))
    ratio = rng.uniform(config.snr, last, (len(windows.x), 1, 1)) if last > config.snr else config.snr
    level = spread(windows.x) * 10.0 ** (-np.asarray(ratio) / 20.0)
    return np.asarray(windows.x + drawn * level / np.maximum(power, 1e-12), np.float32)


def _pink(white: np.ndarray) -> np.ndarray:
    """Power by 1 / f; amplitudes of the spectrum by its root."""
    parts = np.fft.rfft(white, axis=2)
    parts /= np.sqrt(np.maximum(np.arange(parts.shape[2]), 1))
    return np.fft.irfft(parts, n=white.shape[2], axis=2)


def _recorded(file: str, windows: Windows, rng: np.random.Generator) -> np.ndarray:
    try:
        sound = read_wav(Path(file).read_bytes(), file)
    except OSError as error:
        raise InputError("a WAV file of noise", error.strerror or str(error), file) from None
    count, channels, samples = windows.x.shape
    if sound.rate != windows.rate:
        raise InputError(f"noise at {windows.rate:g} Hz", f"{sound.rate} Hz", file, "Resample it first")
    if len(sound.values) < samples:
        raise InputError(f"noise of at least {samples:,} samples", f"{len(sound.values):,}", file)
    mono = sound.values.mean(axis=1)
    if float(mono.std()) == 0.0:
        raise InputError("noise", "silence", file)
    begins = rng.integers(0, len(mono) - samples + 1, (count, channels))
    return np.asarray(mono[begins[:, :, None] + np.arange(samples)], np.float64)


METHOD = Method(config=NoiseConfig, apply=apply)
