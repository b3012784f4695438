"""`words`: recordings for a wake word: voices of espeak-ng, people who do not say it, and streams that judge."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.input.riff import wav_bytes
from edgewright.data.load import load_data
from edgewright.data.sets.texts import read_sentences
from edgewright.data.sources.wav import wav_files
from edgewright.data.synthetic import marked
from edgewright.data.targets import as_text
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.jobs.steps.coach import recordings_of
from edgewright.language.pronunciation.takes import sound_at_rate, sound_files
from edgewright.language.synthesis.background import background
from edgewright.language.synthesis.speech import (
    PROGRAM,
    STREAM_SNR,
    VOICES,
    copy_of,
    noise_window,
    noisy_window,
    recorded_window,
    resampled,
    speak,
    speakers_of,
    stream_of,
    trimmed,
)
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import JobFigure, StepRecord

OTHER = "other"
RECORDINGS, TAKES, COMPARED = "recordings", "takes", "compared"
_READERS, _OTHER_READERS, _OWN, _NOISE = "readers", "other readers", "own recordings", "noise"
_STREAM = 20
# Microphones and rooms that hear each word of a voice.
_ROOMS = 2
# Minutes of synthetic sound in a file.
_PIECE_MIN = 10
# Of the voices every fifth judges and the next one validates where no person does.
_FIFTH = 5

Role = Literal["train", "validate", "judge"]
_KEYS: dict[Role, str] = {"validate": "validation_groups", "judge": "test_groups"}
# Who judges and who validates, without any event.
_LISTENERS: dict[Role, str] = {"judge": "synthetic sound", "validate": "other synthetic sound"}


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recordings of a wake word.

    Attributes:
        word: that wakes the device, as espeak-ng is to say it.
        others: file of the job's folder with other words, one a line.
        separate: each other word is a class of its own; otherwise they are one, 'other'.
        voices: names of espeak-ng's; its English ones when empty.
        speakers: voices with variants of espeak-ng that say the words.
        repeats: how often each of them says the wake word.
        rate: samples a second.
        pipeline: whose window the recordings fill.
        data: table of recorded words by people, as `[data]` of a pipeline; voices judge when left out.
        spelled: words of labels of these data; words of other labels are 'other'.
        train, validate: people of these data whose other words train, and those who validate; all others judge.
        readers: public set of sentences; every second one trains, without its wake words, and the others judge.
        own: folder of WAV files in which one person says the wake word, in the job's folder.
        takes: recordings of the wake word by each person who validates or judges, and of `own`, that train: copies in
            the folder 'takes' beside the voices, and as they are in the folder 'compared' in place of them.
        copies: of each of them, at other tempos and levels, with other noise.
        hours: of synthetic noise, music and speech that judge, too, and a third of it that validates, in pieces of ten
            minutes; reads `readers`. A run holds about 1.7 GB of memory for each hour.
        seed: seed of the random number generators.
    """

    word: str
    others: str = "others.txt"
    separate: bool = msgspec.field(default=False, name="apart")
    voices: tuple[str, ...] = ()
    speakers: Annotated[int, msgspec.Meta(ge=10)] = 200
    repeats: Annotated[int, msgspec.Meta(ge=1)] = 4
    rate: Annotated[int, msgspec.Meta(ge=4000)] = 8000
    pipeline: str = "pipeline.toml"
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    spelled: dict[str, str] = msgspec.field(default_factory=dict)
    train: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    readers: str = ""
    own: str = ""
    takes: Annotated[int, msgspec.Meta(ge=0)] = 0
    copies: Annotated[int, msgspec.Meta(ge=1)] = 60
    hours: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


@dataclass(frozen=True)
class _Sound:
    """A recording of one word or sentence; `synthetic` by espeak-ng, without microphone, room and noise."""

    label: str
    group: str
    values: Floats
    synthetic: bool = False


@dataclass
class _Folder:
    """Recordings that are written with their labels."""

    path: Path
    rate: int
    rows: list[tuple[str, str, str, str, str, str]] = field(default_factory=list)

    def add(self, values: Floats, group: str, events: Sequence[tuple[str, str, str]], session: str = "") -> None:
        """Write a recording; an event is a start, an end and a label, without times for the whole of it."""
        name = f"{len(self.rows):06}.wav"
        (self.path / name).write_bytes(wav_bytes(values[:, None], self.rate))
        self.rows += [(name, *event, group, session) for event in events]

    def link(self, other: _Folder, word: str, left_out: set[str]) -> None:
        """Hold the recordings of another folder, too, but for files of some names; what is not the word is 'other'."""
        kept = [row for row in other.rows if row[0] not in left_out]
        for name in dict.fromkeys(row[0] for row in kept):
            os.link(other.path / name, self.path / f"beside-{name}")
        for name, start, end, label, *who in kept:
            group, session = who
            self.rows.append((f"beside-{name}", start, end, label if label == word else OTHER, group, session))

    def close(self) -> None:
        """Write the labels."""
        with (self.path / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "start", "end", "label", "group", "session"))
            writer.writerows(self.rows)


def _words(config: Config, work: Work) -> StepRecord:
    window = work.pipeline(config.pipeline).window
    if window is None:
        raise InputError("a pipeline with [window]", "none", config.pipeline)
    samples = window.samples
    people = _people(config, work)
    voices = _voices(config, work, samples)
    roles = _roles(config, voices, people)
    backgrounds = _backgrounds(config, work, roles) if config.hours else []
    takes, people = _takes(config, work, people, roles)
    folder = work.out / config.step_name
    with work.listener.doing("Writing recordings"):
        written = _write(config, folder, window, roles, [*voices, *people], backgrounds)
        if takes:
            _write_takes(config, folder / TAKES, samples, takes)
            if config.data:
                _write_compared(config, folder / COMPARED, samples, takes, written, roles)
    work.data = folder / RECORDINGS
    named = {role: sorted(group for group, role_of in roles.items() if role_of == role) for role in _KEYS}
    work.changes = tuple(f"split.{key}={json.dumps(named[role])}" for role, key in _KEYS.items())
    return _record(config, work, folder.name, roles, [*voices, *people], takes, [group for group, _ in backgrounds])


def _voices(config: Config, work: Work, samples: int) -> list[_Sound]:
    """Return the words of espeak-ng's voices.

    Raises:
        InputError: no other words, or a wake word that is longer than the window.
    """
    path = work.folder / config.others
    if not path.is_file():
        raise InputError("a file of other words, one a line", "no such file", str(path))
    others = [word for line in path.read_text(encoding="utf-8").splitlines() if (word := line.strip())]
    if not others or config.word in others:
        got = "none" if not others else f"the wake word {config.word!r}"
        raise InputError("other words", got, str(path))
    words = [config.word, *others]
    sounds: list[_Sound] = []
    recordings = in_processes(partial(_spoken, config), words)
    for word, spoken in work.each("Saying words", zip(words, recordings, strict=True), len(words)):
        label = word if config.separate or word == config.word else OTHER
        sounds += [_Sound(label, voice, values, synthetic=True) for voice, values in spoken]
    long = np.mean([len(sound.values) > samples for sound in sounds if sound.label == config.word])
    if long > 0.1:
        expected = f"a wake word of at most {samples / config.rate:.3g} s, the length of the window"
        raise InputError(expected, f"a longer one by {long:.0%} of the voices", config.pipeline, "Set [window] samples")
    return sounds


def _spoken(config: Config, word: str) -> list[tuple[str, Floats]]:
    """Return the name of each voice, and how it says a word."""
    copies = config.repeats if word == config.word else 1
    with tempfile.TemporaryDirectory() as folder:
        dataset = speak([word], config.voices or VOICES, copies, config.seed, Path(folder), speakers=config.speakers,
                     rate=config.rate)  # fmt: skip
    return [
        (str(recording.groups[0]), recording.values[:, 0])
        for recording in dataset.recordings
        if recording.groups is not None
    ]


def _people(config: Config, work: Work) -> list[_Sound]:
    """Return words and sentences of people; those of the wake word train nothing.

    Raises:
        UnknownNameError: a name of `train` or `validate` that is nobody's.
        InputError: nobody says the wake word.
    """
    sounds: list[_Sound] = []
    if config.data:
        dataset = load_data(config.data, seed=config.seed, path=work.path_of(config.data))
        for recording in dataset.recordings:
            label, group = (
                str(as_text(rows)[0]) if rows is not None else "" for rows in (recording.target, recording.groups)
            )
            text = config.spelled.get(label, "")
            label = text if text and (config.separate or text == config.word) else OTHER
            if not (group in config.train and label == config.word):
                values = resampled(recording.values[:, 0], round(dataset.rate or config.rate), config.rate)
                sounds.append(_Sound(label, group, values))
        if not any(recording.label == config.word for recording in sounds):
            raise InputError(f"recordings of {config.word!r}", "none", f"{work.folder.name} job.toml, spelled",
                             f'Say which label it has: spelled = {{ LABEL = "{config.word}" }}')  # fmt: skip
    groups = dict.fromkeys(recording.group for recording in sounds)
    for name in (*config.train, *config.validate):
        if name not in groups:
            raise UnknownNameError("person", name, groups, "job.toml, train and validate")
    if config.hours and not config.readers:
        raise InputError("`readers`, whose sentences synthetic sound reads", "none", "job.toml, hours")
    if config.readers:
        sounds += _sentences(config, recordings_of(config.readers, work))
    return sounds


def _sentences(config: Config, folder: Path) -> list[_Sound]:
    """Return sentences without the wake word, every second one of those who train."""
    texts = {row[1]: row[2] for row in read_sentences(folder).rows}
    sounds = sorted(sound_files(folder).items())
    kept = [path for name, path in sounds if config.word.lower() not in texts.get(name, "").lower()]
    return [
        _Sound(OTHER, (_READERS, _OTHER_READERS)[number % 2], sound_at_rate(path.read_bytes(), path.name, config.rate))
        for number, path in enumerate(kept)
    ]


def _roles(config: Config, voices: Sequence[_Sound], people: Sequence[_Sound]) -> dict[str, Role]:
    """Return what each group does.

    Raises:
        InputError: nobody judges or validates.
    """
    roles: dict[str, Role] = dict.fromkeys((sound.group for sound in voices), "train")
    if not config.data:
        for number, group in enumerate(roles):
            roles[group] = {0: "judge", 1: "validate"}.get(number % _FIFTH, "train")  # type: ignore[assignment]
    for group in dict.fromkeys(sound.group for sound in people):
        roles[group] = "train" if group in (*config.train, _READERS) else "judge"
        if group in config.validate:
            roles[group] = "validate"
    for role in _KEYS:
        if role not in roles.values():
            raise InputError(f"people who {role}", "nobody", "job.toml, train and validate")
    return roles


def _backgrounds(config: Config, work: Work, roles: dict[str, Role]) -> list[tuple[str, Floats]]:
    """Return pieces of synthetic sound with who hears them; `roles` learns of them. Voices there train nothing."""
    sentences = read_sentences(recordings_of(config.readers, work)).rows
    texts = [row[2].lower() for row in sentences if config.word.lower() not in row[2].lower()]
    rng = np.random.default_rng([config.seed, 6])
    speakers = speakers_of(config.voices or VOICES, config.speakers, rng)
    voices = [name for name in speakers if f"{PROGRAM} {name}" not in roles]
    if len(voices) < len(_LISTENERS):
        raise InputError("voices that train nothing, for synthetic sound", "none", "job.toml, speakers", "Lower it")
    if len(texts) < len(_LISTENERS):
        expected = f"{len(_LISTENERS)} sentences without {config.word!r}, for synthetic sound"
        raise InputError(expected, str(len(texts)), f"job.toml, readers {config.readers}", "Leave hours out")
    groups: list[str] = []
    tasks: list[tuple[float, int, list[str], list[str], int]] = []
    for number, (role, group) in enumerate(_LISTENERS.items()):
        roles[group] = role
        for _ in range(max(1, round(60 * config.hours / (1 + 2 * number) / _PIECE_MIN))):
            seed = config.seed + len(tasks)
            tasks.append((60.0 * _PIECE_MIN, config.rate, texts[number::2], voices[number::2], seed))
            groups.append(group)
    sounds = work.each("Making sound to listen to", in_processes(_background, tasks), len(tasks))
    return list(zip(groups, sounds, strict=True))


def _background(task: tuple[float, int, list[str], list[str], int]) -> Floats:
    return background(*task)


def _takes(
    config: Config, work: Work, people: Sequence[_Sound], roles: dict[str, Role]
) -> tuple[list[_Sound], list[_Sound]]:
    """Return the takes of each person who validates or judges, and what is left of people; `roles` learns `own`.

    Raises:
        InputError: fewer recordings of the wake word than takes.
    """
    rest = list(people)
    if config.own:
        path = work.folder / config.own
        sounds = [sound_at_rate(data, name, config.rate) for name, data in wav_files(path)]
        rest += [_Sound(config.word, _OWN, trimmed(sound, config.rate)) for sound in sounds]
        if len(sounds) > config.takes:
            roles[_OWN] = "judge"
    rng = np.random.default_rng([config.seed, 3])
    chosen: list[_Sound] = []
    by_group: dict[str, list[_Sound]] = {}
    for recorded in rest:
        if recorded.label == config.word and roles.get(recorded.group) != "train":
            by_group.setdefault(recorded.group, []).append(recorded)
    for group, mine in by_group.items() if config.takes else ():
        if len(mine) < config.takes:
            expected = f"at least {config.takes} recordings of {config.word!r}"
            raise InputError(expected, str(len(mine)), group, "Set takes")
        chosen += [mine[index] for index in rng.permutation(len(mine))[: config.takes]]
    used = {id(recorded) for recorded in chosen}
    return chosen, [recorded for recorded in rest if id(recorded) not in used]


def _write(
    config: Config,
    path: Path,
    window: WindowConfig,
    roles: dict[str, Role],
    sounds: Sequence[_Sound],
    backgrounds: Sequence[tuple[str, Floats]],
) -> _Folder:
    """Write a window for each sound of those who train, and streams of the others; return what was written."""
    (path / RECORDINGS).mkdir(parents=True)
    folder = _Folder(path / RECORDINGS, config.rate)
    rng = np.random.default_rng([config.seed, 1])
    streams: dict[str, list[_Sound]] = {}
    for sound in sounds:
        if roles[sound.group] != "train":
            streams.setdefault(sound.group, []).append(sound)
            continue
        for values in _windows(sound, config, window.samples, rng):
            folder.add(values, sound.group, [("", "", sound.label)])
    for _ in range(sum(sound.label == config.word for sound in sounds if roles[sound.group] == "train") // 2):
        folder.add(noise_window(window.samples, rng), _NOISE, [("", "", OTHER)])
    for group, mine in streams.items():
        order = [mine[index] for index in rng.permutation(len(mine))]
        for start in range(0, len(order), _STREAM):
            _add_stream(folder, group, config.word, order[start : start + _STREAM], window.samples, rng)
    for group, values in backgrounds:
        folder.add(values, group, [("0", "1", OTHER)])
    folder.close()
    return folder


def _windows(sound: _Sound, config: Config, samples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield a window with a word, or windows of a sentence, half a window after each other."""
    whole = sound.label == config.word
    if sound.synthetic:
        for _ in range(_ROOMS):
            yield recorded_window(sound.values, samples, config.rate, rng, whole=whole)
        return
    starts = (
        range(0, max(1, len(sound.values) - samples // 2), samples // 2) if len(sound.values) > 2 * samples else (0,)
    )
    for start in starts:
        part = sound.values[start : start + samples] if len(starts) > 1 else sound.values
        yield noisy_window(part, samples, rng, whole=whole)


def _add_stream(
    folder: _Folder, group: str, word: str, sounds: Sequence[_Sound], samples: int, rng: np.random.Generator
) -> None:
    """Write words one after the other; windows with the middle of a wake word, or of as many others, have its label."""
    pause = samples / folder.rate
    values, places = stream_of([sound.values for sound in sounds], (pause / 2, 1.5 * pause), folder.rate, rng)
    called = sum(sound.label == word for sound in sounds)
    others = 0
    events = []
    for sound, (start, end) in zip(sounds, places, strict=True):
        others += sound.label != word
        # Windows of all other words would be too many for memory; alarms are judged in the whole stream.
        if sound.label == word or others <= max(1, called):
            middle, quarter = (start + end) / 2, samples / 4
            span = ((middle - quarter) / folder.rate, (middle + quarter) / folder.rate)
            events.append((f"{span[0]:.4f}", f"{span[1]:.4f}", sound.label))
    folder.add(values, group, events)


def _write_takes(config: Config, path: Path, samples: int, takes: Sequence[_Sound]) -> None:
    """Write copies of the takes, marked as made."""
    path.mkdir()
    folder = _Folder(path, config.rate)
    rng = np.random.default_rng([config.seed, 2])
    for number, take in enumerate(takes):
        for copy in range(1, config.copies + 1):
            values = noisy_window(copy_of(take.values, rng), samples, rng, whole=True)
            name = f"{take.group} {number}"
            folder.add(values, f"takes of {take.group}", [("", "", take.label)], marked("takes", copy, name))
    folder.close()


def _write_compared(
    config: Config, path: Path, samples: int, takes: Sequence[_Sound], written: _Folder, roles: dict[str, Role]
) -> None:
    """Write the takes as they are, beside all recordings in which nobody else who trains says the word."""
    path.mkdir()
    folder = _Folder(path, config.rate)
    rng = np.random.default_rng([config.seed, 4])
    for take in takes:
        values = noisy_window(take.values, samples, rng, whole=True, snr=STREAM_SNR)
        folder.add(values, f"takes of {take.group}", [("", "", take.label)])
    spoken = {name for name, _, _, label, group, _ in written.rows if label == config.word and roles[group] == "train"}
    folder.link(written, config.word, spoken)
    folder.close()


def _record(
    config: Config,
    work: Work,
    folder: str,
    roles: dict[str, Role],
    sounds: Sequence[_Sound],
    takes: Sequence[_Sound],
    backgrounds: Sequence[str],
) -> StepRecord:
    total = sum(sound.synthetic for sound in sounds)
    spoken = plural(len({sound.group for sound in sounds if sound.synthetic}), "voice")
    says = [
        f"{spoken} of espeak-ng say {plural(total, 'word')}, {config.word!r} {plural(config.repeats, 'time')} each."
    ]
    judges = sorted(group for group, role in roles.items() if role == "judge")
    if config.data:
        validate = sorted(group for group, role in roles.items() if role == "validate")
        says.append(f"Test: {', '.join(judges)}. Validation: {', '.join(validate)}.")
    else:
        says.append(f"No person judges: figures are of {len(judges)} voices of espeak-ng that did not train.")
    if backgrounds:
        judge, validate_h = (backgrounds.count(group) * _PIECE_MIN / 60 for group in _LISTENERS.values())
        says.append(f"Of synthetic noise, music and speech {judge:.2f} h judge and {validate_h:.2f} h validate.")
    if takes:
        people = ", ".join(sorted({sound.group for sound in takes}))
        says.append(f"{config.takes} takes of {people}, copied {config.copies} times, lie apart and judge nothing.")
    command = f"edgewright synth speech {config.word} --speakers {config.speakers} --rate {config.rate}"
    return StepRecord(
        command=f"{command} --copies {config.repeats} --out words", says=tuple(says), folder=folder,
        figures=(JobFigure.of("words", "recorded and synthetic words", len(sounds), "1"),),
    )  # fmt: skip


STEP = Step(Config, "Words", _words)
