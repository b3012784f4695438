"""Recordings of a wake word: voices of espeak-ng, people who do not say it, and streams of those who evaluate."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from edgewright.core.input.riff import read_wav, wav_bytes
from edgewright.core.records.data import Floats
from edgewright.data.load import load_data
from edgewright.data.set_files import find_files, read_text
from edgewright.data.synthetic import marked
from edgewright.data.targets import as_text
from edgewright.language.synthesis import VOICES, resampled, speak
from words import copy_of, noise_window, noisy_window, recorded_window, stream_of

WORD, OTHER = "seven", "other"
RATE, SAMPLES = 8000, 8000
SPEAKERS, REPEATS, ROOMS = 120, 4, 2
# Words and sentences of a stream, takes of each person, copies of each take.
STREAM, TAKES, COPIES = 20, 3, 60
VALIDATION = ("george", "jackson", "lucas")
READERS = ("readers", "other readers")


@dataclass(frozen=True)
class Sound:
    """A recording of one word or sentence; `synthetic` by espeak-ng, without microphone, room and noise."""

    label: str
    group: str
    values: Floats
    synthetic: bool = False


@dataclass
class Folder:
    """Recordings that are written with their labels."""

    path: Path
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, values: Floats, group: str, events: Sequence[tuple[str, str, str]], session: str = "") -> None:
        """Write a recording; an event is a start, an end and a label, without times for the whole of it."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"{len(self.rows):06}.wav"
        (self.path / name).write_bytes(wav_bytes(values[:, None], RATE))
        self.rows += [(name, *event, group, session) for event in events]

    def close(self) -> None:
        """Write the labels."""
        with (self.path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "start", "end", "label", "group", "session"))
            writer.writerows(self.rows)


def say(word: str) -> list[tuple[str, Floats]]:
    """Return the name of each voice with its recording of a word."""
    with tempfile.TemporaryDirectory() as folder:
        copies = REPEATS if word == WORD else 1
        dataset = speak([word], VOICES, copies, 0, Path(folder), speakers=SPEAKERS, rate=RATE)
    return [(str(recording.groups[0]), recording.values[:, 0]) for recording in dataset.recordings]


def voices(others: Sequence[str]) -> list[Sound]:
    """Return the words of espeak-ng's voices; each other word is a class."""
    words = [WORD, *others]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        spoken = zip(words, pool.map(say, words), strict=True)
        return [
            Sound(word, voice, values, synthetic=True) for word, recordings in spoken for voice, values in recordings
        ]


def people(digits: str | None, readers: Path) -> list[Sound]:
    """Return the digits of FSDD's speakers, and sentences without the wake word, by two halves of the readers."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    dataset, sounds = load_data({"kind": "fsdd"}, seed=0, path=digits), list[Sound]()
    for recording in dataset.recordings:
        label, group = (str(as_text(rows)[0]) for rows in (recording.target, recording.groups))
        values = resampled(recording.values[:, 0], round(dataset.rate or RATE), RATE)
        sounds.append(Sound(names[int(label)], group, values))
    lines = [line for file in find_files(readers, "text") for line in read_text(file).splitlines()]
    texts = dict(line.split(maxsplit=1) for line in lines if line.strip())
    by_name = {path.stem: path for path in find_files(readers, "*.wav", "*.WAV")}
    files = [path for name, path in sorted(by_name.items()) if WORD not in texts.get(name, "").lower()]
    return sounds + [Sound(OTHER, READERS[number % 2], read_sound(path)) for number, path in enumerate(files)]


def read_sound(path: Path) -> Floats:
    """Return the sound of a WAV file at the rate of the model, its channels averaged."""
    sound = read_wav(path.read_bytes(), path.name)
    return resampled(np.asarray(sound.values.mean(axis=1), np.float32), sound.rate, RATE)


def choose_takes(sounds: Sequence[Sound]) -> tuple[list[Sound], list[Sound]]:
    """Return three recordings of the wake word by each person, and all other recordings."""
    rng, mine = np.random.default_rng([0, 3]), dict[str, list[Sound]]()
    for sound in sounds:
        if sound.label == WORD:
            mine.setdefault(sound.group, []).append(sound)
    takes = [part[index] for part in mine.values() for index in rng.permutation(len(part))[:TAKES]]
    used = {id(sound) for sound in takes}
    return takes, [sound for sound in sounds if id(sound) not in used]


def write_recordings(path: Path, sounds: Sequence[Sound], training: set[str]) -> None:
    """Write windows of the groups that train, and streams of the others."""
    folder, rng, streams = Folder(path), np.random.default_rng([0, 1]), dict[str, list[Sound]]()
    for sound in sounds:
        if sound.group not in training:
            streams.setdefault(sound.group, []).append(sound)
            continue
        for values in windows(sound, rng):
            folder.add(values, sound.group, [("", "", sound.label)])
    for _ in range(sum(sound.label == WORD for sound in sounds if sound.group in training) // 2):
        folder.add(noise_window(SAMPLES, rng), "noise", [("", "", OTHER)])
    for group, mine in streams.items():
        order = [mine[index] for index in rng.permutation(len(mine))]
        for start in range(0, len(order), STREAM):
            add_stream(folder, group, order[start : start + STREAM], rng)
    folder.close()


def windows(sound: Sound, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield a window with a word, or windows of a sentence, half a window after each other."""
    whole, step = sound.label == WORD, SAMPLES // 2
    if sound.synthetic:
        for _ in range(ROOMS):
            yield recorded_window(sound.values, SAMPLES, RATE, rng, whole=whole)
        return
    starts = range(0, max(1, len(sound.values) - step), step) if len(sound.values) > 2 * SAMPLES else (0,)
    for start in starts:
        part = sound.values[start : start + SAMPLES] if len(starts) > 1 else sound.values
        yield noisy_window(part, SAMPLES, rng, whole=whole)


def add_stream(folder: Folder, group: str, sounds: Sequence[Sound], rng: np.random.Generator) -> None:
    """Write words one after the other; windows with the middle of a wake word, or of as many others, have its label."""
    pause = SAMPLES / RATE
    values, spans = stream_of([sound.values for sound in sounds], (pause / 2, 1.5 * pause), RATE, rng)
    called, others, events = sum(sound.label == WORD for sound in sounds), 0, list[tuple[str, str, str]]()
    for sound, (start, end) in zip(sounds, spans, strict=True):
        others += sound.label != WORD
        # Windows of all other words would be too many for memory; alarms are evaluated in the whole stream.
        if sound.label == WORD or others <= max(1, called):
            middle, quarter = (start + end) / 2, SAMPLES / 4
            edges = (middle - quarter) / RATE, (middle + quarter) / RATE
            events.append((f"{edges[0]:.4f}", f"{edges[1]:.4f}", sound.label))
    folder.add(values, group, events)


def write_copies(path: Path, takes: Sequence[Sound]) -> None:
    """Write copies of the takes at other tempos and levels, with other noise, marked as synthetic."""
    folder, rng = Folder(path), np.random.default_rng([0, 2])
    for number, take in enumerate(takes):
        for copy in range(1, COPIES + 1):
            values = noisy_window(copy_of(take.values, rng), SAMPLES, rng, whole=True)
            mark = marked("takes", copy, f"{take.group} {number}")
            folder.add(values, f"takes of {take.group}", [("", "", take.label)], mark)
    folder.close()
