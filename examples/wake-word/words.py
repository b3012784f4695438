"""Words placed in windows and streams, with noise, and copies of takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.core.records.data import Floats
from edgewright.language.synthesis import RECORDED_SNR, hiss, recorded_sound

Range = tuple[float, float]

# Decibels from a word down to the noise around it in streams, which are recorded in quiet places.
STREAM_SNR = (20.0, 40.0)
# A window's pause is a multiple of this part of it, so that its length has small factors where the window's has.
_STEPS = 20
# Tempo and level of a copy of somebody's own recording.
_TEMPO, _LEVEL_DB = (0.85, 1.18), (-12.0, 6.0)


def window_of(sound: Floats, samples: int, rng: np.random.Generator, *, whole: bool) -> Floats:
    """Return silence of so many samples with a sound anywhere in it; without `whole` up to half of it is cut off."""
    spare = samples - len(sound)
    slack = 0 if whole else min(samples, len(sound)) // 2
    start = int(rng.integers(min(0, spare) - slack, max(0, spare) + slack + 1))
    window = np.zeros(samples, np.float32)
    first, last = max(0, start), min(samples, start + len(sound))
    window[first:last] = sound[first - start : last - start]
    return window


def recorded_window(sound: Floats, samples: int, rate: int, rng: np.random.Generator, *, whole: bool) -> Floats:
    """Return a window with a sound as somebody recorded it: through a microphone, half of them in a room."""
    window = window_of(sound, samples, rng, whole=whole)
    return recorded_sound(window, rate, rng, step=max(1, samples // _STEPS))[:samples]


def noisy_window(
    sound: Floats, samples: int, rng: np.random.Generator, *, whole: bool, snr: Range = RECORDED_SNR
) -> Floats:
    """Return a window with a sound that was recorded already, and further noise so many decibels below it."""
    return with_noise(window_of(sound, samples, rng, whole=whole), _power(sound), snr, rng)


def noise_window(samples: int, rng: np.random.Generator) -> Floats:
    """Return a window in which nobody speaks."""
    return with_noise(np.zeros(samples, np.float32), 10.0 ** rng.uniform(-4.0, -2.0), (10.0, 30.0), rng)


def stream_of(
    sounds: Sequence[Floats], pauses: Range, rate: int, rng: np.random.Generator
) -> tuple[Floats, list[tuple[int, int]]]:
    """Return sounds one after the other, with noise in the pauses and behind them.

    Args:
        sounds: in order.
        pauses: shortest and longest between two of them, seconds; the longest begins and ends the stream.
        rate: samples a second.
        rng: of pauses and noise.

    Returns:
        The stream, and the first sample of each sound and the one behind its last.
    """
    longest = np.zeros(round(pauses[1] * rate), np.float32)
    parts, places, at = [longest], [], len(longest)
    for number, sound in enumerate(sounds):
        if number:
            pause = np.zeros(round(rng.uniform(*pauses) * rate), np.float32)
            parts.append(pause)
            at += len(pause)
        parts.append(sound)
        places.append((at, at + len(sound)))
        at += len(sound)
    power = _power(np.concatenate(sounds))
    return with_noise(np.concatenate([*parts, longest]), power, STREAM_SNR, rng), places


def copy_of(sound: Floats, rng: np.random.Generator) -> Floats:
    """Return somebody's recording slower or faster, and louder or quieter."""
    tempo = rng.uniform(*_TEMPO)
    at = np.arange(round(len(sound) / tempo)) * tempo
    gain = 10.0 ** (rng.uniform(*_LEVEL_DB) / 20.0)
    return np.asarray(np.clip(gain * np.interp(at, np.arange(len(sound)), sound), -1.0, 1.0), np.float32)


def with_noise(sound: Floats, power: float, snr: Range, rng: np.random.Generator) -> Floats:
    """Return a sound with noise so many decibels below a power."""
    # Of a length without large factors: spectra of others take up to ten times as long.
    step = 1 << max(0, len(sound).bit_length() - 5)
    noise = hiss(-(-len(sound) // step) * step, power, snr, rng)[: len(sound)]
    return np.asarray(np.clip(sound + noise, -1.0, 1.0), np.float32)


def _power(sound: Floats) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64)))
