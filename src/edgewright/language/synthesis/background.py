"""Hours of sound without a wake word: noise, music and speech, synthesized, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edgewright.language.synthesis.methods import Windows
from edgewright.language.synthesis.methods.sound import MicrophoneConfig, RoomConfig, apply_microphone, apply_room
from edgewright.language.synthesis.speech import RECORDED_SNR, hiss, read_aloud, with_noise
from edgewright.schema.data import Floats

_PART_S = 20.0
# Hz of the lowest note, steps of a pentatonic scale, seconds of a beat, overtones, and how fast notes die, 1/s.
_LOWEST, _SCALE, _BEAT_S, _OVERTONES, _FALL = 110.0, (0, 2, 4, 7, 9, 12, 14, 16, 19, 21), (0.2, 0.5), 5, (2.0, 8.0)
_NOISE_DB, _ROOMS = (0.0, 20.0), 1 / 3


def background(seconds: float, rate: int, sentences: Sequence[str], voices: Sequence[str], seed: int) -> Floats:
    """Return noise, music and speech in turn, each through a microphone, a third of them in a room.

    Args:
        seconds: of the whole.
        rate: samples a second.
        sentences: what voices read, in any order.
        voices: names of espeak-ng's.
        seed: seed of the random number generators.
    """
    rng = np.random.default_rng(seed)
    samples = round(_PART_S * rate)
    parts = []
    for number in range(max(3, round(seconds / _PART_S))):
        if number % 3 == 0:
            sound = _speech(samples, rate, sentences, voices, rng)
        else:
            sound = _music(samples, rate, rng) if number % 3 == 1 else _noise(samples, rate, rng)
        part = Windows(x=sound[None, None, :], y=np.array([""]), rate=float(rate), columns=("sound",))
        if rng.random() < _ROOMS:
            room = RoomConfig(seconds=float(rng.uniform(0.05, 0.4)), direct=float(rng.uniform(-5.0, 15.0)), delay=0.0)
            part = msgspec.structs.replace(part, x=apply_room(room, part, rng))
        recorded = apply_microphone(MicrophoneConfig(), part, rng)[0, 0]
        parts.append(with_noise(recorded, float(np.mean(recorded**2)), RECORDED_SNR, rng))
    return np.concatenate(parts)


def _noise(samples: int, rate: int, rng: np.random.Generator) -> Floats:
    """Return noise whose level moves every second, as of a street or a kitchen."""
    level = np.interp(
        np.arange(samples), np.arange(0, samples + rate, rate), rng.uniform(*_NOISE_DB, samples // rate + 1)
    )
    return np.asarray(hiss(samples, 1e-4, (0.0, 0.0), rng) * 10.0 ** (level / 20.0), np.float32)


def _music(samples: int, rate: int, rng: np.random.Generator) -> Floats:
    """Return chords of notes with overtones that die away, and a drum on some beats."""
    time = np.arange(round(_BEAT_S[1] * 2 * rate)) / rate
    overtones = np.arange(1, _OVERTONES + 1)[:, None]
    sound = np.zeros(samples + len(time))
    beat, key, colour = rng.uniform(*_BEAT_S), rng.uniform(1.0, 2.0), rng.uniform(0.5, 2.0)
    for start in np.arange(0.0, samples / rate, beat):
        at = round(start * rate)
        envelope = np.exp(-rng.uniform(*_FALL) * time)
        for step in rng.choice(_SCALE, rng.integers(1, 4)):
            hertz = key * _LOWEST * 2.0 ** (step / 12.0) * overtones
            waves = np.where(hertz < rate / 2.0, np.sin(2.0 * np.pi * hertz * time) / overtones**colour, 0.0)
            sound[at : at + len(time)] += envelope * waves.sum(axis=0)
        if rng.random() < 0.5:
            sound[at : at + len(time)] += envelope**8 * rng.standard_normal(len(time))
    return np.asarray(0.1 * sound[:samples], np.float32)


def _speech(
    samples: int, rate: int, sentences: Sequence[str], voices: Sequence[str], rng: np.random.Generator
) -> Floats:
    """Return what a voice reads; it reads until the time is over."""
    voice, sounds = voices[int(rng.integers(len(voices)))], [np.zeros(0, np.float32)]
    while sum(map(len, sounds)) < samples:
        text = ". ".join(sentences[index] for index in rng.permutation(len(sentences))[:10].tolist())
        sounds.append(read_aloud(text, voice, rate, rng))
    return np.concatenate(sounds)[:samples]
