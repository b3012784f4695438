"""How well each phone of a prompt was said: against the phones that could have been said in its place.

The goodness of pronunciation of S. M. Witt and S. J. Young ("Phone-level pronunciation scoring and assessment for
interactive language learning", Speech Communication 30, 2000) is the mean logarithm of a phone's probability over the
best other one, between the borders that the prompt's alignment gives. Here each other phone may move the borders with
its neighbours first, as in a lattice of one phone: a wrong phone is seldom as long as the right one. The mistake of a
phone is the mean of both, with the sign turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.language.pronunciation.alignment import SHORTEST, Segment
from edgewright.language.pronunciation.phones import PHONES, SILENCE, confusable
from edgewright.schema.data import Floats

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
    return [_one(scores, sums, segments, index) for index in range(len(segments))]


def word_mistake(phones: Sequence[PhoneMatch]) -> float:
    """Return how much a word sounds like another: the mean over its phones."""
    return float(np.mean([heard.mistake for heard in phones]))


def _one(scores: Floats, sums: NDArray[np.float64], segments: Sequence[Segment], index: int) -> PhoneMatch:
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
    least = 1 if begin < own.begin else 0
    most = len(window) - 1 - (1 if end > own.end else 0)
    start = before[:, None] - inside
    start[steps < least] = -np.inf
    if begin == own.begin:
        start[1:] = -np.inf
    running = np.maximum.accumulate(start, axis=0)
    shift = min(SHORTEST, own.end - own.begin)
    reached = np.full_like(inside, -np.inf)
    reached[shift:] = running[: len(window) - shift] + inside[shift:] + after[shift:, None]
    reached[steps > most] = -np.inf
    if end == own.end:
        reached[: len(window) - 1] = -np.inf
    best = reached.max(axis=0)
    return np.asarray((best - best[own.phone]) / (own.end - own.begin), np.float32)


def _neighbour(segments: Sequence[Segment], index: int, way: int) -> tuple[int, int]:
    """Return the phone beside one, and where it begins or ends; silence, and the own border, where there is none."""
    own, place = segments[index], index + way
    border = own.begin if way < 0 else own.end
    if not 0 <= place < len(segments):
        return SILENCE, border
    other = segments[place]
    if way < 0:
        return (other.phone, other.begin) if other.end == border else (SILENCE, border)
    return (other.phone, other.end) if other.begin == border else (SILENCE, border)
