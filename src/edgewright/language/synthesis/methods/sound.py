"""Sounds of another microphone, in another room, and signals with noise mixed in."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.data.noises import draw_noise, pieces, read_noise
from edgewright.language.synthesis.methods import Method, MethodConfig, Positive, Windows, method
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

Decibel = Annotated[float, msgspec.Meta(ge=-40.0, le=100.0)]
# Cosines along the frequencies: more of them would make the response rougher than a microphone's.
_WAVES = 5
_FALL = 6.907755278982137  # ln 1000: amplitudes fall by 60 dB


class MicrophoneConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frequency response.

    Attributes:
        decibels: how much it varies: standard deviation of each of five cosines over the frequencies, the k-th divided
            by the root of k.
        lowest: Hz; each window draws a corner up to it, below which the power falls by 12 dB an octave.
    """

    decibels: Annotated[float, msgspec.Meta(ge=0.0, le=60.0)] = 4.0
    lowest: Positive = 250.0


def apply_microphone(config: MicrophoneConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Record by another microphone, which passes some frequencies more than others and nothing below its lowest.

    Each window has one response, the same for all channels.

    Raises:
        InputError: for a rate below 1 kHz: that is no sound.
    """
    if windows.rate < 1000.0:
        raise InputError("sound of at least 1 kHz", f"{windows.rate:g} Hz", "synth microphone")
    count, _, samples = windows.x.shape
    spectra = np.fft.rfft(windows.x)
    hertz = np.fft.rfftfreq(samples, 1.0 / windows.rate)
    waves = np.arange(1, _WAVES + 1)[:, None]
    sizes = config.decibels * rng.standard_normal((count, _WAVES, 1)) / np.sqrt(waves)
    phases = rng.uniform(0.0, 2.0 * np.pi, (count, _WAVES, 1))
    response = (sizes * np.cos(np.pi * waves * hertz / hertz[-1] + phases)).sum(axis=1)
    corner = rng.uniform(0.0, config.lowest, (count, 1))
    passed = hertz**2 / np.sqrt(hertz**4 + np.maximum(corner, 1e-3) ** 4)
    gains = 10.0 ** (response / 20.0) * passed
    return np.asarray(np.fft.irfft(spectra * gains[:, None, :], samples), np.float32)


method("microphone")(Method(MicrophoneConfig, apply_microphone))


def spread(x: Floats) -> Any:  # noqa: ANN401 - an array that broadcasts
    """Return the root mean square about the mean of each channel, shape (n, channels, 1); NaN counts for nothing."""
    return np.sqrt(np.nanmean((x - np.nanmean(x, axis=2, keepdims=True)) ** 2, axis=2, keepdims=True))


class NoiseConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is mixed in.

    Attributes:
        snr: ratio of the powers of signal and noise in decibels, about their means, over each window; the lower end
            where `until` is given, and each window then gets its own.
        until: upper end.
        kind: as in `data.noises`, such as 'white' or 'pink'.
        file: WAV of noise at the rate of the signals instead, taken from a random place.
    """

    snr: Decibel = 10.0
    until: Decibel | None = None
    kind: str = "white"
    file: str = ""


def apply_noise(config: NoiseConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Mix in noise at a ratio of signal to noise; a channel that never changes has no power and stays as it is.

    Raises:
        InputError: for an upper end below the lower, or a file of another rate, shorter than a window, or silent.
    """
    last = config.snr if config.until is None else config.until
    if last < config.snr:
        raise InputError("`until` of at least `snr`", f"{last:g} below {config.snr:g}", "synth noise")
    shape = windows.x.shape
    if config.file:
        noise = pieces(read_noise(config.file, windows.rate, shape[2]), shape, rng)
    else:
        noise = draw_noise(config.kind, shape, windows.rate, rng)
    power = spread(noise.astype(np.float32))
    ratio = rng.uniform(config.snr, last, (len(windows.x), 1, 1)) if last > config.snr else config.snr
    level = spread(windows.x) * 10.0 ** (-np.asarray(ratio) / 20.0)
    return np.asarray(windows.x + noise * level / np.maximum(power, 1e-12), np.float32)


method("noise")(Method(NoiseConfig, apply_noise))


class RoomConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The room.

    Attributes:
        seconds: reverberation time (RT60); each window draws from half of it to one and a half.
        direct: power of the direct sound over that of the tail, in decibels.
        delay: seconds between them.
    """

    seconds: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.3
    direct: Annotated[float, msgspec.Meta(ge=-40.0, le=100.0)] = 5.0
    delay: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.005


def apply_room(config: RoomConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Put a room around the microphone: the direct sound, and a tail of noise that dies away.

    The tail is Polack's statistical model (J.-D. Polack, "La transmission de l'energie sonore dans les salles", 1988):
    normal noise under an exponential that falls by 60 dB in the reverberation time. Sounds stay as long and as loud.

    Raises:
        InputError: for a rate below 1 kHz: that is no sound.
    """
    if windows.rate < 1000.0:
        raise InputError("sound of at least 1 kHz", f"{windows.rate:g} Hz", "synth room")
    count, _, samples = windows.x.shape
    reverberant = np.empty_like(windows.x)
    size = 2 * samples
    for n in range(count):
        response = _response(config, windows.rate, samples, rng)
        wet = np.fft.irfft(np.fft.rfft(windows.x[n], size) * np.fft.rfft(response, size), size)[:, :samples]
        loud = np.sqrt((windows.x[n] ** 2).mean() / max(float((wet**2).mean()), 1e-20))
        reverberant[n] = wet * loud
    return reverberant


def _response(config: RoomConfig, rate: float, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Impulse response of at most so many samples."""
    seconds = config.seconds * rng.uniform(0.5, 1.5)
    length = max(1, min(samples, round(seconds * rate)))
    first = min(length, round(config.delay * rate))
    tail = rng.standard_normal(length) * np.exp(-_FALL * np.arange(length) / (seconds * rate))
    tail[:first] = 0.0
    power = float((tail**2).sum())
    if power > 0.0:
        tail *= np.sqrt(10.0 ** (-config.direct / 10.0) / power)
    tail[0] += 1.0
    return np.asarray(tail, np.float64)


method("room")(Method(RoomConfig, apply_room))
