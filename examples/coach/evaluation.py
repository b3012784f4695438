"""How well mistakes are found: phones and words of recordings whose prompts were changed through the dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignment import Alignment, Prompt, align
from edgewright.core.errors import InputError
from edgewright.core.records.data import Floats
from edgewright.core.records.trace_flow import Interval
from edgewright.training.metrics import auroc, group_interval
from espeak import RATE
from network import CoachFile, PhoneStream
from phones import Lexicon, Words, changed_prompt, confusable, other_word
from reading import PhoneMatch, Reader, match_phones, word_mistake
from records import CoachScore
from sound import FRAME, HOP, STEP_S
from takes import Take

Scores = Callable[[Floats], Floats]
_COPIES, _SHARE = 20, 0.05
# Readings from which on a limit of sentences is chosen.
_FEWEST = 10
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

    def border(self) -> float | None:
        """Return the limit; None where the right ones are too few for one."""
        return self.limit() if np.count_nonzero(~self.wrong) >= _FEWEST else None

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
        seed: seed of the changes.
    """
    phones: Rows = []
    words: Rows = []
    for number, take in enumerate(takes):
        log_probabilities = scores(take.frames)
        for copy in range(_COPIES):
            rng = np.random.default_rng([seed, number, copy, confused])
            change = changed_prompt(take.pronunciations, confusable() if confused else None, rng)
            for word, matches in by_word(log_probabilities, change.pronunciations).items():
                for index, match in enumerate(matches):
                    was = change.truth.get((word, index))
                    phones.append((match.mistake, was is not None, match.confused == was, take.speaker))
                changed = any(where[0] == word for where in change.truth)
                words.append((word_mistake(matches), changed, False, take.speaker))
    return _table(phones), _table(words)


def other_words(takes: Sequence[Take], scores: Scores, lexicon: Lexicon, seed: int) -> Cases:
    """Align recordings with prompts in which a word is another word; return words."""
    words: Rows = []
    for number, take in enumerate(takes):
        log_probabilities = scores(take.frames)
        for copy in range(_COPIES):
            pronunciations, changed = other_word(
                take.pronunciations, lexicon, np.random.default_rng([seed, number, copy])
            )
            words += [
                (word_mistake(matches), word == changed, False, take.speaker)
                for word, matches in by_word(log_probabilities, pronunciations).items()
            ]
    return _table(words)


def openings(takes: Sequence[Take], prompts: Sequence[Take], coach: CoachFile, scores: Scores, seed: int) -> Cases:
    """Read recordings against their own prompts and against others; return how much the first phones differ."""
    rows: Rows = []
    for number, take in enumerate(takes):
        others = [prompt for prompt in prompts if prompt.text != take.text]
        chosen = np.random.default_rng([seed, number]).permutation(len(others))[:_COPIES]
        for prompt in (take, *(others[k] for k in chosen)):
            reader = Reader(coach, prompt.words, prompt.pronunciations)
            reader.hear(scores(take.frames))
            reader.rest()
            if reader.opening is not None:
                rows.append((reader.opening, prompt is not take, False, take.speaker))
    return _table(rows)


def by_word(scores: Floats, pronunciations: Words) -> dict[int, list[PhoneMatch]]:
    """Return what was heard of each word of a prompt; nothing of a recording that is too short for it."""
    try:
        segments = align(scores, Prompt(pronunciations))
    except InputError:
        return {}
    matches: dict[int, list[PhoneMatch]] = {}
    for match in match_phones(scores, segments):
        matches.setdefault(match.segment.word, []).append(match)
    return matches


def _table(rows: Rows) -> Cases:
    mistake, wrong, named, speaker = zip(*rows, strict=True)
    return Cases(np.array(mistake), np.array(wrong), np.array(named), np.array(speaker))


def delays(take: Take, stream: PhoneStream) -> list[float]:
    """Return the seconds from the end of each word, as the whole recording aligns it, to its verdict while it is heard.

    A step is heard when its last sample is, and the answers of the network come as many steps late as it waits.
    """
    scores = stream.whole(take.frames)
    alignment, verdict_times = Alignment(Prompt(take.pronunciations)), {}
    for step, row in enumerate(scores):
        for word in alignment.push(row[None]):
            verdict_times[word] = (step + 1 + stream.spec.delay) * STEP_S + (FRAME - HOP) / RATE
    if not alignment.fits:
        return []
    ends = {segment.word: segment.end for segment in alignment.segments()}
    middle = (FRAME - HOP) / RATE / 2
    return [verdict_times[word] - (ends[word] * STEP_S + middle) for word in verdict_times if word in ends]


def unheard(coach: CoachFile, takes: Sequence[Take]) -> list[Take]:
    """Return recordings whose speakers neither trained a coach nor chose its limits."""
    known_speakers = {*coach.spec.learnt.trained, *coach.spec.learnt.limits}
    return [take for take in takes if take.speaker not in known_speakers]


def score_coach(coach: CoachFile, takes: Sequence[Take], lexicon: Lexicon, seed: int = 0) -> CoachScore:
    """Measure a coach on recordings of speakers that took no part in it, in integers.

    Raises:
        InputError: fewer than two speakers.
    """
    speakers = {take.speaker for take in takes}
    if len(speakers) < 2:
        raise InputError("recordings of at least two speakers that did not train", str(len(speakers)), "a score")
    stream = PhoneStream(coach.spec, coach.network)
    log_probabilities = {take.name: stream.whole(take.frames) for take in takes}
    by_frames = {id(take.frames): log_probabilities[take.name] for take in takes}
    scores: Scores = lambda frames: by_frames[id(frames)]  # noqa: E731
    phones, words = cases(takes, scores, confused=False, seed=seed)
    confused, _ = cases(takes, scores, confused=True, seed=seed)
    read = openings(takes, takes, coach, scores, seed)
    border = np.inf if coach.spec.sentence_limit is None else coach.spec.sentence_limit
    late = np.array([delay for take in takes for delay in delays(take, stream)])
    return CoachScore(
        name=coach.spec.name, speakers=len(speakers), recordings=len(takes), phones=len(phones.wrong),
        phone=phones.area(), confusable=confused.area(), word=words.area(),
        other_word=other_words(takes, scores, lexicon, seed).area(),
        recall=phones.beyond(coach.spec.phone_limit, wrong=True),
        false_alarms=phones.beyond(coach.spec.phone_limit, wrong=False),
        other_sentence=read.beyond(border, wrong=True), own_sentence=read.beyond(border, wrong=False),
        named=confused.named_share(),
        network_bytes=coach.network_bytes, verdict_ms=1000 * float(np.median(late)),
        late_verdict_ms=1000 * float(np.quantile(late, _LATE)),
    )  # fmt: skip
