"""How well mistakes are found: phones and words of recordings whose prompts were changed through the dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.language.pronunciation.alignment import Alignment, Prompt, align
from edgewright.language.pronunciation.coach import CoachFile, PhoneStream
from edgewright.language.pronunciation.mutation import Words, changed_prompt, other_word
from edgewright.language.pronunciation.phones import Lexicon, confusable
from edgewright.language.pronunciation.reading import PhoneMatch, match_phones, word_mistake
from edgewright.language.pronunciation.sound import FRAME, HOP, STEP_S
from edgewright.language.pronunciation.speech import RATE
from edgewright.language.pronunciation.takes import Take
from edgewright.schema.coach import CoachScore
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.trace_flow import Interval
from edgewright.training.auroc import auroc
from edgewright.training.metrics import group_interval

Scores = Callable[[Floats], Floats]
_COPIES, _SHARE = 20, 0.05
# Of a verdict's delay, the share of words that are slower.
_LATE = 0.9


@dataclass(frozen=True)
class Cases:
    """Phones or words of changed prompts, one a row.

    Attributes:
        mistake: how much it sounds like another.
        wrong: whether it was changed.
        named: whether what was said there was named, where it was changed.
        speaker: who read it.
    """

    mistake: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    named: NDArray[np.bool_]
    speaker: NDArray[np.str_]

    def area(self) -> Interval:
        """Return the area under the ROC curve by speaker."""
        return self._interval(lambda rows: auroc(self.mistake[rows][self.wrong[rows]],
                                                 self.mistake[rows][~self.wrong[rows]]))  # fmt: skip

    def beyond(self, limit: float, *, wrong: bool) -> Interval:
        """Return the share of changed, or of right ones, beyond a limit."""
        return self._share(self.mistake > limit, wrong)

    def named_share(self) -> Interval:
        """Return the share of changed ones where what was said was named."""
        return self._share(self.named, True)

    def limit(self) -> float:
        """Return what 5 % of the right ones lie beyond."""
        return float(np.quantile(self.mistake[~self.wrong], 1.0 - _SHARE))

    def _share(self, chosen: NDArray[np.bool_], wrong: bool) -> Interval:
        among = self.wrong if wrong else ~self.wrong
        return self._interval(lambda rows: float(chosen[rows][among[rows]].mean()) if among[rows].any() else 0.0)

    def _interval(self, statistic: Callable[[NDArray[np.int64]], float]) -> Interval:
        return group_interval(self.speaker, statistic, by="speaker", within=(0.0, 1.0))


Rows = list[tuple[float, bool, bool, str]]


def cases(takes: Sequence[Take], scores: Scores, *, confused: bool, seed: int) -> tuple[Cases, Cases]:
    """Align recordings with prompts in which phones are others; return phones and words.

    Args:
        takes: recordings.
        scores: from frames to log-probabilities of every step.
        confused: change a phone to one with which it is easily confused, else to any other.
        seed: of the changes.
    """
    phones: Rows = []
    words: Rows = []
    for number, take in enumerate(takes):
        found = scores(take.frames)
        for copy in range(_COPIES):
            rng = np.random.default_rng([seed, number, copy, confused])
            change = changed_prompt(take.said, confusable() if confused else None, rng)
            for word, heard in by_word(found, change.said).items():
                for place, one in enumerate(heard):
                    was = change.truth.get((word, place))
                    phones.append((one.mistake, was is not None, one.confused == was, take.speaker))
                changed = any(where[0] == word for where in change.truth)
                words.append((word_mistake(heard), changed, False, take.speaker))
    return _table(phones), _table(words)


def other_words(takes: Sequence[Take], scores: Scores, lexicon: Lexicon, seed: int) -> Cases:
    """Align recordings with prompts in which a word is another word; return words."""
    words: Rows = []
    for number, take in enumerate(takes):
        found = scores(take.frames)
        for copy in range(_COPIES):
            said, changed = other_word(take.said, lexicon, np.random.default_rng([seed, number, copy]))
            words += [
                (word_mistake(heard), word == changed, False, take.speaker)
                for word, heard in by_word(found, said).items()
            ]
    return _table(words)


def by_word(scores: Floats, said: Words) -> dict[int, list[PhoneMatch]]:
    """Return what was heard of each word of a prompt; nothing of a recording that is too short for it."""
    try:
        segments = align(scores, Prompt(said))
    except InputError:
        return {}
    made: dict[int, list[PhoneMatch]] = {}
    for heard in match_phones(scores, segments):
        made.setdefault(heard.segment.word, []).append(heard)
    return made


def _table(rows: Rows) -> Cases:
    mistake, wrong, named, speaker = zip(*rows, strict=True)
    return Cases(np.array(mistake), np.array(wrong), np.array(named), np.array(speaker))


def delays(take: Take, stream: PhoneStream) -> list[float]:
    """Return the seconds from the end of each word, as the whole recording aligns it, to its verdict while it is heard.

    A step is heard when its last sample is, and the answers of the network come as many steps late as it waits.
    """
    scores = stream.whole(take.frames)
    alignment, found = Alignment(Prompt(take.said)), {}
    for step, row in enumerate(scores):
        for word in alignment.push(row[None]):
            found[word] = (step + 1 + stream.spec.delay) * STEP_S + (FRAME - HOP) / RATE
    if not alignment.fits:
        return []
    ends = {segment.word: segment.end for segment in alignment.segments()}
    middle = (FRAME - HOP) / RATE / 2
    return [found[word] - (ends[word] * STEP_S + middle) for word in found if word in ends]


def unheard(coach: CoachFile, takes: Sequence[Take]) -> list[Take]:
    """Return recordings whose speakers neither trained a coach nor chose its limits."""
    heard = {*coach.spec.learnt.trained, *coach.spec.learnt.limits}
    return [take for take in takes if take.speaker not in heard]


def score_coach(coach: CoachFile, takes: Sequence[Take], lexicon: Lexicon, seed: int = 0) -> CoachScore:
    """Measure a coach on recordings of speakers that took no part in it, in integers.

    Raises:
        InputError: fewer than two speakers.
    """
    speakers = {take.speaker for take in takes}
    if len(speakers) < 2:
        raise InputError("recordings of at least two speakers that did not train", str(len(speakers)), "a score")
    stream = PhoneStream(coach.spec, coach.network)
    heard = {take.name: stream.whole(take.frames) for take in takes}
    by_frames = {id(take.frames): heard[take.name] for take in takes}
    scores: Scores = lambda frames: by_frames[id(frames)]  # noqa: E731
    phones, words = cases(takes, scores, confused=False, seed=seed)
    confused, _ = cases(takes, scores, confused=True, seed=seed)
    late = np.array([delay for take in takes for delay in delays(take, stream)])
    return CoachScore(
        name=coach.spec.name, speakers=len(speakers), recordings=len(takes), phones=len(phones.wrong),
        phone=phones.area(), confusable=confused.area(), word=words.area(),
        other_word=other_words(takes, scores, lexicon, seed).area(),
        recall=phones.beyond(coach.spec.phone_limit, wrong=True),
        false_alarms=phones.beyond(coach.spec.phone_limit, wrong=False), named=confused.named_share(),
        network_bytes=coach.network_bytes, verdict_ms=1000 * float(np.median(late)),
        late_verdict_ms=1000 * float(np.quantile(late, _LATE)),
    )  # fmt: skip
