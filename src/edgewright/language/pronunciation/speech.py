"""Sentences said by the library of espeak-ng, which tells at which sample each phone begins."""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from edgewright.language.pronunciation.phones import SILENCE, from_ipa
from edgewright.language.synthesis.speech import recorded_sound, resampled, speakers_of
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

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
