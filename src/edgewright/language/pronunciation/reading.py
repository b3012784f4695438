"""A prompt that is read aloud, word by word: verdicts as they become certain, while the sound still comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewright.device.sources.wav import Microphone, WavConfig
from edgewright.language.pronunciation.alignment import Alignment, Prompt, Segment
from edgewright.language.pronunciation.coach import CoachFile, PhoneStream
from edgewright.language.pronunciation.goodness import PhoneMatch, match_phones, word_mistake
from edgewright.language.pronunciation.mutation import Words
from edgewright.language.pronunciation.phones import OUTPUTS, PHONES
from edgewright.language.pronunciation.sound import FRAME, HOP, STEP_S
from edgewright.language.pronunciation.speech import RATE
from edgewright.language.pronunciation.takes import read_sound
from edgewright.schema.coach import PhoneVerdict, WordVerdict
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

# Without sound for so long, a microphone is not there.
_ABSENT_S = 5.0
# A step of sound reaches half a window beyond what it is about.
_MIDDLE_S = (FRAME - HOP) / RATE / 2


class Reader:
    """Hears somebody read a prompt.

    Args:
        coach: that judges.
        words: of the prompt.
        said: pronunciations of each.
    """

    def __init__(self, coach: CoachFile, words: tuple[str, ...], said: Words) -> None:
        self._coach, self._words = coach, words
        self._ear = PhoneStream(coach.spec, coach.network)
        self._alignment = Alignment(Prompt(said))
        self._scores = np.zeros((0, OUTPUTS), np.float32)
        self._samples = 0

    @property
    def over(self) -> bool:
        """Whether every word is certain."""
        return self._alignment.finished == len(self._words)

    def push(self, sound: Floats) -> list[WordVerdict]:
        """Take samples at 16 kHz, of any number; give the words that are certain now."""
        self._samples += len(sound)
        found = self._ear.push(sound)
        made = []
        for row in found:
            self._scores = np.concatenate([self._scores, row[None]])
            finished = self._alignment.push(row[None])
            if finished:
                made += self._verdicts(finished, self._alignment.segments(whole=False))
        return made

    def finish(self) -> list[WordVerdict]:
        """Return the words that are left when the sound ends; none where it ended before the prompt could."""
        made = self.push(np.zeros((self._coach.spec.delay + 1) * round(STEP_S * RATE), np.float32))
        if not self._alignment.fits:
            return made
        left = list(range(self._alignment.finished, len(self._words)))
        return [*made, *self._verdicts(left, self._alignment.segments())]

    def _verdicts(self, words: list[int], segments: list[Segment]) -> list[WordVerdict]:
        heard = match_phones(self._scores, segments)
        return [
            self._verdict(word, own) for word in words if (own := [one for one in heard if one.segment.word == word])
        ]

    def _verdict(self, word: int, heard: list[PhoneMatch]) -> WordVerdict:
        spec = self._coach.spec
        return WordVerdict(
            word=self._words[word], begin_s=_seconds(heard[0].segment.begin), end_s=_seconds(heard[-1].segment.end),
            known_s=round(self._samples / RATE, 3), mistake=round(word_mistake(heard) - spec.word_limit, 3),
            phones=tuple(
                PhoneVerdict(
                    phone=PHONES[one.segment.phone], begin_s=_seconds(one.segment.begin),
                    end_s=_seconds(one.segment.end), mistake=round(one.mistake - spec.phone_limit, 3),
                    instead=PHONES[one.confused] if one.mistake > spec.phone_limit else "",
                )
                for one in heard
            ),
        )  # fmt: skip


def _seconds(step: int) -> float:
    return round(step * STEP_S + _MIDDLE_S, 3)


def sound_of(wav: Path | None, device: str, wait_s: float) -> Iterator[Floats]:
    """Yield sound at 16 kHz as it comes: of a file, or of a microphone until the caller has heard enough.

    Raises:
        InputError: no such file, or no microphone.
    """
    if wav is not None:
        values = read_sound(wav)
        part = round(wait_s * RATE)
        yield from (values[start : start + part] for start in range(0, len(values), part))
        return
    source = Microphone(WavConfig(device=device, rate=RATE), ())
    heard = time.monotonic()
    try:
        while True:
            for packet in source.read(wait_s):
                heard = time.monotonic()
                yield np.asarray(packet.values[:, 0], np.float32)
            if time.monotonic() - heard > _ABSENT_S:
                raise InputError("sound of a microphone", f"none for {_ABSENT_S:g} s", f"ALSA device {device!r}",
                                 "Name another one with --device, or a file with --wav")  # fmt: skip
    finally:
        source.close()
