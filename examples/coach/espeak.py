"""Sentences said by the library of espeak-ng, which tells at which sample each phone begins."""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import InputError
from edgewright.core.input.riff import read_wav
from edgewright.core.records.data import Floats
from edgewright.data.set_files import find_files, need_files, read_text
from edgewright.language.synthesis import recorded_sound, resampled, speakers_of
from phones import SILENCE, from_ipa

RATE = 16_000
VOICES = ("en-us", "en", "en-us-nyc", "en-gb-scotland", "en-gb-x-rp", "en-029")
# Of speak_lib.h: synthesis in the call, events of phones in IPA, UTF-8, and the kinds of events and settings used here.
_SYNCHRONOUS, _PHONES_IN_IPA, _UTF8 = 2, 3, 1
_END, _PHONE, _SPEED, _PITCH, _RANGE = 0, 7, 1, 3, 4
_MARKS = "ˈˌ"
_SPEAKING = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text", ctypes.c_int), ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("id", _Id),
    )  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class SpokenSentence:
    """A sentence that was said.

    Attributes:
        values: sound at 16 kHz, shape (samples,).
        phones: numbers of phones, or of silence, in order.
        begins: seconds at which each begins; it ends with the next, the last with the sound.
    """

    values: Floats
    phones: tuple[int, ...]
    begins: tuple[float, ...]


@cache
def _library() -> tuple[Any, int]:
    name = ctypes.util.find_library("espeak-ng")
    if name is None:
        raise InputError("the library espeak-ng", "none installed", "synthetic speech",
                         "Install it (Debian: apt install espeak-ng), or train on recordings alone")  # fmt: skip
    library = ctypes.CDLL(name)
    rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONES_IN_IPA))
    if rate <= 0:
        raise InputError("a working espeak-ng", "one that does not start", name)
    return library, rate


def say(text: str, voice: str, *, speed: int = 160, pitch: int = 50, range_: int = 50) -> SpokenSentence:
    """Say a sentence.

    Args:
        text: the sentence.
        voice: of espeak-ng, with a variant or without.
        speed: words a minute.
        pitch: 0 to 100.
        range_: how much the pitch moves, 0 to 100.

    Raises:
        InputError: no espeak-ng, no such voice.
    """
    # The library has one voice and one callback for the whole process.
    with _SPEAKING:
        return _say(text, voice, ((_SPEED, speed), (_PITCH, pitch), (_RANGE, range_)))


def _say(text: str, voice: str, settings: Sequence[tuple[int, int]]) -> SpokenSentence:
    library, rate = _library()
    parts: list[Any] = []
    names: list[str] = []
    begins: list[float] = []

    def on_events(wave: Any, count: int, events: Any) -> int:  # noqa: ANN401 - pointers of C
        if count > 0:
            parts.append(np.ctypeslib.as_array(wave, (count,)).astype(np.float32))
        at = 0
        while events[at].type != _END:
            if events[at].type == _PHONE:
                name = ctypes.string_at(ctypes.addressof(events[at].id), 8).split(b"\0")[0].decode("utf-8", "ignore")
                names.append(name.strip(_MARKS + "_:"))
                begins.append(events[at].sample / rate)
            at += 1
        return 0

    callback = _CALLBACK(on_events)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise InputError("a voice of espeak-ng", repr(voice), "synthetic speech", "List them: espeak-ng --voices")
    for kind, value in settings:
        library.espeak_SetParameter(kind, value, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
    sound = np.concatenate(parts) / 32768.0 if parts else np.zeros(0, np.float32)
    return _spoken(np.asarray(sound, np.float32), rate, names, begins)


def _spoken(sound: Floats, rate: int, names: Sequence[str], begins: Sequence[float]) -> SpokenSentence:
    """Return phones of single events; one event may be several, which share its time."""
    phones: list[int] = []
    starts: list[float] = []
    ends = [*begins[1:], len(sound) / rate]
    for name, begin, end in zip(names, begins, ends, strict=True):
        several = from_ipa(name) if name else (SILENCE,)
        for index, phone in enumerate(several):
            phones.append(phone)
            starts.append(begin + (end - begin) * index / len(several))
    return SpokenSentence(resampled(sound, rate, RATE), tuple(phones), tuple(starts))


def sentences(texts: Sequence[str], seed: int) -> Iterator[SpokenSentence]:
    """Say each sentence in another voice, at another speed and pitch, as another microphone records it."""
    rng = np.random.default_rng([seed, 7])
    voices = speakers_of(VOICES, min(len(texts), 300), rng)
    for number, text in enumerate(texts):
        speed, pitch, moves = (int(rng.integers(*limits)) for limits in ((110, 200), (15, 85), (20, 80)))
        spoken = say(text.lower(), voices[number % len(voices)], speed=speed, pitch=pitch, range_=moves)
        if len(spoken.values) < RATE // 4 or np.abs(spoken.values).max() < 1e-3:
            continue
        yield SpokenSentence(
            recorded_sound(spoken.values, RATE, rng)[: len(spoken.values)], spoken.phones, spoken.begins
        )


def read_sound(path: Path) -> Floats:
    """Return the sound of a WAV file at 16 kHz, its channels averaged: shape (samples,).

    Raises:
        InputError: no such file, or none of this format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("a WAV file", error.strerror or str(error), str(path)) from None
    sound = read_wav(data, str(path))
    return resampled(np.asarray(sound.values.mean(axis=1), np.float32), sound.rate, RATE)


def sound_files(folder: Path) -> dict[str, Path]:
    """Return the WAV files of a folder of recordings, by the name of their sentence."""
    return {path.stem: path for path in find_files(folder, "*.wav", "*.WAV")}


def read_sentences(folder: Path) -> tuple[dict[str, str], ...]:
    """Return the sentences of a corpus in the layout of speechocean762, with their speakers.

    Layout: `train/text` (utterance TAB words), `train/utt2spk`, `train/spk2age`, `train/spk2gender`, the same in
    `test`; `WAVE/<utterance>.WAV`, which `kind = "wav"` reads.

    Returns:
        For each sentence: part, utterance, text, speaker, age, gender and sound ('yes' or 'no').
    """
    sound = {p.stem for p in find_files(folder, "*.WAV")}
    rows = []
    for path in need_files(folder, "text"):
        part = path.parent
        speakers = _pairs(part / "utt2spk")
        # Folders of one's own in this layout seldom say how old speakers are.
        ages, genders = (_pairs(part / n) if (part / n).is_file() else {} for n in ("spk2age", "spk2gender"))
        for utterance, words in _pairs(path).items():
            speaker = speakers.get(utterance, "")
            has_sound = "yes" if utterance in sound else "no"
            rows.append(
                (part.name, utterance, words, speaker, ages.get(speaker, ""), genders.get(speaker, ""), has_sound)
            )
    columns = ("part", "utterance", "text", "speaker", "age", "gender", "sound")
    return tuple(dict(zip(columns, row, strict=True)) for row in rows)


def _pairs(path: Path) -> dict[str, str]:
    """First word of each line and the rest of it."""
    pairs = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            parts = line.split(maxsplit=1)
            if len(parts) != 2:
                raise InputError("a name and a text", repr(line), f"{path} line {number}")
            pairs[parts[0]] = parts[1]
    return pairs
