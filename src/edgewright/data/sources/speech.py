"""Synthesiser of four spoken words: formants that glide, hisses and bursts, by speakers that differ.

Nobody said anything here. A word is a sequence of phones; a phone has formants (resonances of the vocal tract), a share
of voice and a share of noise. Voice is a sum of harmonics whose sizes follow the formants (Fant, Acoustic Theory of
Speech Production, 1960); vowels have the formants of Peterson and Barney (J. Acoust. Soc. Am. 24, 1952), rounded.
Speakers differ in pitch, length of the vocal tract, tempo and accent, and a background hums and hisses.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Source, SourceConfig

Signal = NDArray[np.float64]
RATE = 8000
"""Samples a second."""


class _Phone(NamedTuple):
    """Seconds, formants in Hz, size of the voice and of the noise, and where the noise is loudest in Hz."""

    seconds: float
    formants: tuple[float, float, float]
    voice: float = 0.0
    noise: float = 0.0
    centre: float = 0.0


_O, _U, _A = (500.0, 900.0, 2450.0), (350.0, 820.0, 2350.0), (730.0, 1150.0, 2450.0)
_HUSH = _Phone(0.05, _A)
_S = _Phone(0.13, (450.0, 1700.0, 2550.0), noise=0.5, centre=3500.0)
_WORDS = {
    "go": (_Phone(0.05, (250.0, 1500.0, 2200.0), voice=0.1), _Phone(0.02, (300.0, 1300.0, 2200.0), 0.3, 0.4, 1600.0),
           _Phone(0.12, _O, voice=1.0), _Phone(0.11, _U, voice=0.8)),
    "no": (_Phone(0.08, (280.0, 1300.0, 2350.0), voice=0.4), _Phone(0.13, _O, voice=1.0), _Phone(0.11, _U, voice=0.8)),
    "stop": (_S, _HUSH, _Phone(0.02, (450.0, 1600.0, 2600.0), noise=0.6, centre=3000.0),
             _Phone(0.14, _A, voice=1.0), _HUSH, _Phone(0.02, _U, noise=0.4, centre=900.0)),
    "yes": (_Phone(0.08, (280.0, 2200.0, 2900.0), voice=0.8), _Phone(0.13, (540.0, 1840.0, 2500.0), voice=1.0), _S),
}  # fmt: skip


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speakers who say 'go', 'no', 'stop' and 'yes', a recording a word.

    Attributes:
        speakers: how many; each is a group of its own.
        repetitions: how often each speaker says each word.
        variety: how much the speakers differ; 0 makes them all alike.
        noise: size of the background; 0 leaves it out.
    """

    speakers: int = 6
    repetitions: int = 2
    variety: float = 1.0
    noise: float = 1.0


class _Speaker(NamedTuple):
    """Pitch in Hz; factors of all formants, of each formant, and of the tempo."""

    pitch: float
    tract: float
    accent: Signal
    tempo: float


def _speaker(rng: np.random.Generator, variety: float) -> _Speaker:
    size = rng.normal()  # small people have a high voice and a short vocal tract
    return _Speaker(
        pitch=150.0 * np.exp(variety * (0.25 * size + 0.1 * rng.normal())),
        tract=np.exp(variety * (0.07 * size + 0.03 * rng.normal())),
        accent=np.exp(variety * 0.08 * rng.normal(size=3)),
        tempo=np.exp(variety * 0.15 * rng.normal()),
    )


def _word(rng: np.random.Generator, phones: tuple[_Phone, ...], speaker: _Speaker) -> Signal:
    """Return one word as a speaker says it this time, largest value 1."""
    seconds = np.array([phone.seconds for phone in phones]) * np.exp(0.1 * rng.normal(size=len(phones))) / speaker.tempo
    counts = np.rint(seconds * RATE).astype(np.int64)
    time, middles = np.arange(counts.sum()), np.cumsum(counts) - counts / 2
    shape = np.hanning(round(0.02 * RATE))

    def level(values: list[float]) -> Signal:
        return np.convolve(np.repeat(values, counts), shape / shape.sum(), mode="same")

    targets = np.array([phone.formants for phone in phones]) * speaker.tract * speaker.accent
    formants = [
        np.interp(time, middles, track) for track in (targets * np.exp(0.03 * rng.normal(size=targets.shape))).T
    ]
    pitch = speaker.pitch * np.exp(0.05 * rng.normal()) * np.linspace(1.1, 0.85, len(time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    number = np.arange(1, int(RATE / 2 / pitch.min()) + 1)[:, None]
    hertz = number * pitch
    size = np.where(hertz < RATE / 2, 1.0 / number, 0.0)
    for formant in formants:
        width = 60.0 + 0.05 * formant
        size = size * formant**2 / np.hypot(formant**2 - hertz**2, width * hertz)
    voice = (size * np.sin(number * phase)).sum(axis=0)
    sound = level([phone.voice for phone in phones]) * voice / np.abs(voice).max()
    for index, phone in enumerate(phones):
        if phone.noise:
            hiss = _coloured(rng, len(time), phone.centre * speaker.tract, 600.0)
            sound += level([phone.noise * (other == index) for other in range(len(phones))]) * hiss / 3
    return np.asarray(sound / np.abs(sound).max())


def _coloured(rng: np.random.Generator, count: int, centre: float, width: float) -> Signal:
    """Return noise of deviation 1 around a frequency."""
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(size=count)) * np.exp(-0.5 * ((hertz - centre) / width) ** 2), count)
    return np.asarray(noise / noise.std())


def _recorded(rng: np.random.Generator, word: Signal, noise: float) -> Signal:
    """Return a word between silences, with a background, as loud as the distance to the microphone lets it be."""
    before, after = (rng.uniform(0.04, 0.14, 2) * RATE).astype(np.int64)
    sound = np.pad(word, (before, after))
    hum = np.sin(2 * np.pi * (100.0 * np.arange(len(sound)) / RATE + rng.random()))
    background = _coloured(rng, len(sound), 0.0, 900.0) + 0.3 * rng.normal(size=len(sound)) + 0.5 * hum
    level = noise * 10.0 ** rng.uniform(-1.4, -0.3)
    return np.asarray(rng.uniform(0.15, 0.6) * (sound + level * background))


def _load(config: Config, seed: int) -> DataSet:
    if config.speakers < 1 or config.repetitions < 1:
        raise ConfigError("at least one speaker and one repetition", f"{config.speakers}, {config.repetitions}", "data")
    if config.variety < 0 or config.noise < 0:
        raise ConfigError("variety and noise of at least 0", f"{config.variety}, {config.noise}", "data")
    rng = np.random.default_rng([seed, 13])
    speakers = [_speaker(rng, config.variety) for _ in range(config.speakers)]
    width = max(2, len(str(config.speakers)))
    recordings = []
    for (number, speaker), word, take in product(enumerate(speakers, 1), _WORDS, range(1, config.repetitions + 1)):
        sound = np.clip(_recorded(rng, _word(rng, _WORDS[word], speaker), config.noise), -1.0, 1.0)
        group = f"speaker{number:0{width}d}"
        recordings.append(
            Recording(
                name=f"{word}_{group}_{take}",
                values=sound[:, None].astype(np.float32),
                target=np.full(len(sound), word),
                groups=np.full(len(sound), group),
            )
        )
    return DataSet(
        name="speech", columns=(Column(name="sound", minimum=-1.0, maximum=1.0),), recordings=tuple(recordings),
        rate=float(RATE), target_name="word", group_name="speaker",
        origin="simulated by edgewright.data.sources.speech",
    )  # fmt: skip


SOURCE = Source(config=Config, load=_load, whole=True, simulated=True)
