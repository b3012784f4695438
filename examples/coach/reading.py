"""A prompt that is read aloud, word by word: verdicts as they become certain, while the sound still comes.

The goodness of pronunciation of S. M. Witt and S. J. Young ("Phone-level pronunciation scoring and assessment for
interactive language learning", Speech Communication 30, 2000) is the mean logarithm of a phone's probability over the
best other one, between the borders that the prompt's alignment gives. Here each other phone may move the borders with
its neighbours first, as in a lattice of one phone: a wrong phone is seldom as long as the right one. The mistake of a
phone is the mean of both, with the sign turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from alignment import SHORTEST, Alignment, Prompt, Segment
from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from espeak import RATE
from network import CoachFile, PhoneStream
from phones import OUTPUTS, PHONES, SILENCE, Words, confusable
from records import PhoneVerdict, WordVerdict
from sound import FRAME, HOP, STEP_S

CONFUSED = confusable()


@dataclass(frozen=True)
class PhoneMatch:
    """What was heard at the place of a phone.

    Attributes:
        segment: the phone and its place.
        mistake: how much it sounds like another phone, in logarithms a step; larger for worse.
        instead: how much better or worse each phone fits there than the prompt's, in logarithms a step; its own is 0.
    """

    segment: Segment
    mistake: float
    instead: Floats

    @property
    def confused(self) -> int:
        """The phone that was said in its place: one that is easily confused with it where that fits better than it."""
        near = CONFUSED[self.segment.phone]
        best = max(near, key=lambda phone: float(self.instead[phone]), default=self.segment.phone)
        if self.instead[best] > 0:
            return best
        others = self.instead.copy()
        others[self.segment.phone] = -np.inf
        return int(others.argmax())


def match_phones(scores: Floats, segments: Sequence[Segment]) -> list[PhoneMatch]:
    """Return what was heard at each segment.

    Args:
        scores: log-probabilities of phones and silence, shape (steps, phones + 1).
        segments: of one alignment, in order.
    """
    sums = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0, dtype=np.float64)])
    return [_match(scores, sums, segments, index) for index in range(len(segments))]


def word_mistake(phones: Sequence[PhoneMatch]) -> float:
    """Return how much a word sounds like another: the mean over its phones."""
    return float(np.mean([phone.mistake for phone in phones]))


def _match(scores: Floats, sums: NDArray[np.float64], segments: Sequence[Segment], index: int) -> PhoneMatch:
    own = segments[index]
    part = scores[own.begin : own.end, : len(PHONES)]
    ratio = float(np.mean(part[:, own.phone] - np.delete(part, own.phone, axis=1).max(axis=1)))
    instead = _moved(sums, segments, index)
    moved = -float(np.delete(instead, own.phone).max())
    return PhoneMatch(own, -(ratio + moved) / 2, instead)


def _moved(sums: NDArray[np.float64], segments: Sequence[Segment], index: int) -> Floats:
    """Return the best sum with each phone between its neighbours, borders free, less that of the prompt's, a step."""
    own = segments[index]
    left, begin = _neighbour(segments, index, -1)
    right, end = _neighbour(segments, index, 1)
    window = sums[begin : end + 1] - sums[begin]
    steps = np.arange(len(window))
    before, after = window[:, left], window[-1, right] - window[:, right]
    inside = window[:, : len(PHONES)]
    # First the best begin for every end, at least `SHORTEST` steps before it, then the best end.
    minimum = 1 if begin < own.begin else 0
    furthest = len(window) - 1 - (1 if end > own.end else 0)
    start = before[:, None] - inside
    start[steps < minimum] = -np.inf
    if begin == own.begin:
        start[1:] = -np.inf
    running = np.maximum.accumulate(start, axis=0)
    shift = min(SHORTEST, own.end - own.begin)
    reached = np.full_like(inside, -np.inf)
    reached[shift:] = running[: len(window) - shift] + inside[shift:] + after[shift:, None]
    reached[steps > furthest] = -np.inf
    if end == own.end:
        reached[: len(window) - 1] = -np.inf
    best = reached.max(axis=0)
    return np.asarray((best - best[own.phone]) / (own.end - own.begin), np.float32)


def _neighbour(segments: Sequence[Segment], index: int, way: int) -> tuple[int, int]:
    """Return the phone beside one, and where it begins or ends; silence, and the own border, where there is none."""
    own, other_index = segments[index], index + way
    border = own.begin if way < 0 else own.end
    if not 0 <= other_index < len(segments):
        return SILENCE, border
    other = segments[other_index]
    if way < 0:
        return (other.phone, other.begin) if other.end == border else (SILENCE, border)
    return (other.phone, other.end) if other.begin == border else (SILENCE, border)


# Without sound for so long, a microphone is not there.
# A step of sound reaches half a window beyond what it is about.
_MIDDLE_S = (FRAME - HOP) / RATE / 2


# Phones after which it is clear whether this sentence is read at all; the first verdicts wait for them.
_CLEAR = 12


class Reader:
    """Hears somebody read a prompt.

    Args:
        coach: that judges.
        words: of the prompt.
        pronunciations: pronunciations of each.

    Attributes:
        opening: how much the first phones sound like others; None as long as too few are heard.
        other: whether something else than the prompt is read, which no verdict is about.
    """

    def __init__(self, coach: CoachFile, words: tuple[str, ...], pronunciations: Words) -> None:
        self._coach, self._words = coach, words
        self._ear = PhoneStream(coach.spec, coach.network)
        self._alignment = Alignment(Prompt(pronunciations))
        self._scores = np.zeros((0, OUTPUTS), np.float32)
        self._samples = self._certain_words = 0
        self._mistakes: list[float] = []
        self._waiting: list[WordVerdict] = []
        self.opening: float | None = None
        self.other = False

    @property
    def over(self) -> bool:
        """Whether every word is certain, or that something else is read."""
        return self.other or self._alignment.finished == len(self._words)

    def push(self, sound: Floats) -> list[WordVerdict]:
        """Take samples at 16 kHz, of any number; give the words that are certain now."""
        self._samples += len(sound)
        return self.hear(self._ear.push(sound))

    def finish(self) -> list[WordVerdict]:
        """Return the words that are left when the sound ends; none where it ended before the prompt could."""
        verdicts = self.push(np.zeros((self._coach.spec.delay + 1) * round(STEP_S * RATE), np.float32))
        return [*verdicts, *self.rest()]

    def hear(self, log_probabilities: Floats) -> list[WordVerdict]:
        """Take steps of the network, shape (steps, phones + 1); give the words that are certain now."""
        for row in log_probabilities:
            self._scores = np.concatenate([self._scores, row[None]])
            finished = self._alignment.push(row[None])
            if finished:
                self._judge(finished, self._alignment.segments(whole=False))
        return self._certain(len(self._mistakes) >= _CLEAR)

    def rest(self) -> list[WordVerdict]:
        """Return the words that are left after the last step."""
        if self._alignment.fits:
            self._judge(list(range(self._alignment.finished, len(self._words))), self._alignment.segments())
        return self._certain(bool(self._mistakes))

    def check(self, where: str) -> None:
        """Refuse a reading of something else, or of a part.

        Raises:
            InputError: it is one.
        """
        if self.other:
            raise InputError(f"a reading of {' '.join(self._words).lower()[:60]!r}", "another sentence", where,
                             "You read something else, or too unclearly to judge it: read this sentence")  # fmt: skip
        if self._certain_words < len(self._words):
            raise InputError(f"a reading of all {len(self._words)} words", f"{self._certain_words} of them", where,
                             "Read the whole sentence, a little slower")  # fmt: skip

    def _judge(self, words: list[int], segments: list[Segment]) -> None:
        matches = match_phones(self._scores, segments)
        for word in words:
            own = [match for match in matches if match.segment.word == word]
            if own:
                self._mistakes += [match.mistake for match in own]
                self._waiting.append(self._verdict(word, own))

    def _certain(self, clear: bool) -> list[WordVerdict]:
        """Return the verdicts that wait, as soon as it is clear that the prompt is read."""
        limit = self._coach.spec.sentence_limit
        if clear and self.opening is None:
            self.opening = float(np.mean(self._mistakes))
            self.other = limit is not None and self.opening > limit
        if self.other or (limit is not None and self.opening is None):
            return []
        known_s = round(self._samples / RATE, 3)
        verdicts, self._waiting = [msgspec.structs.replace(verdict, known_s=known_s) for verdict in self._waiting], []
        self._certain_words += len(verdicts)
        return verdicts

    def _verdict(self, word: int, matches: list[PhoneMatch]) -> WordVerdict:
        spec = self._coach.spec
        return WordVerdict(
            word=self._words[word], begin_s=_seconds(matches[0].segment.begin), end_s=_seconds(matches[-1].segment.end),
            known_s=0.0, mistake=round(word_mistake(matches) - spec.word_limit, 3),
            phones=tuple(_phone_verdict(match, spec.phone_limit) for match in matches),
        )  # fmt: skip


def _phone_verdict(match: PhoneMatch, limit: float) -> PhoneVerdict:
    phone, instead = PHONES[match.segment.phone], PHONES[match.confused] if match.mistake > limit else ""
    return PhoneVerdict(
        phone=phone, begin_s=_seconds(match.segment.begin), end_s=_seconds(match.segment.end),
        mistake=round(match.mistake - limit, 3), instead=instead,
    )  # fmt: skip


def _seconds(step: int) -> float:
    return round(step * STEP_S + _MIDDLE_S, 3)
