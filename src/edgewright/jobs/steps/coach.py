"""`coach`: a pronunciation coach from recordings and synthetic speech, judged by speakers it has never heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgewright.data.public import folder_of, public_set
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.pronunciation.coach import CoachFile, PhoneStream, write_coach
from edgewright.language.pronunciation.evaluation import by_word, score_coach
from edgewright.language.pronunciation.phones import PHONES, changed_prompt
from edgewright.language.pronunciation.reading import PhoneMatch
from edgewright.language.pronunciation.sound import STEP_S, step_time
from edgewright.language.pronunciation.takes import Take, read_corpus
from edgewright.language.pronunciation.training import CoachRequest, train_coach
from edgewright.schema.coach import CoachScore
from edgewright.schema.job import Choice, JobFigure, Mark, StepRecord, Stretch, Timeline

_RIGHT, _OTHER = "as in the prompt", "another phone"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training and its score.

    Attributes:
        set: public set that is read where the job is given no data.
        maximum: recordings of one speaker; 0 for all.
        sentences: synthetic.
        hold_out: share of the speakers that judge.
        epochs: on synthetic speech, on all speech, and with the roundings of int8.
        seed: seed of the random number generators.
    """

    set: str = "speechocean"
    maximum: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=0, name="most")
    sentences: Annotated[int, msgspec.Meta(ge=1)] = 1200
    hold_out: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.3
    epochs: tuple[int, int, int] = (6, 12, 3)
    seed: int = 0


def _coach(config: Config, work: Work) -> StepRecord:
    folder = recordings_of(config.set, work)
    corpus = read_corpus(folder, config.maximum)
    name = config.name or work.folder.name
    request = CoachRequest(name=name, sentences=config.sentences, epochs=config.epochs, hold_out=config.hold_out,
                           seed=config.seed)  # fmt: skip
    with work.listener.doing("Training the phone network", sum(config.epochs)) as advance:
        trained = train_coach(corpus, request, lambda _: advance(1))
    with work.listener.doing("Judging by speakers never heard"):
        score = score_coach(trained.file, trained.judges, corpus.lexicon, config.seed)
    file = work.out / f"{name}.coach"
    write_coach(file, trained.file)
    learnt = trained.file.spec.learnt
    return StepRecord(
        command=f"edgewright coach train {folder.name} --out {file.name}",
        says=(
            f"{len(learnt.trained)} speakers and {learnt.sentences:,} synthetic sentences train the network, "
            f"{len(learnt.limits)} speakers choose the limits, {score.speakers} others judge",
            f"{score.phones:,} phones of prompts that were changed through the dictionary judge; the coach lies in "
            f"{file.name}",
        ),
        figures=figures(score),
        choice=Choice(
            question="From which mistake on is a phone told?", chosen=f"from {trained.file.spec.phone_limit:.2f} on",
            why=f"5 % of the right phones of the {len(learnt.limits)} speakers that chose it lie beyond",
        ),
        timeline=example(trained.file, trained.judges[0], config.seed),
    )  # fmt: skip


def recordings_of(name: str, work: Work) -> Path:
    """Return the folder of recordings: the data of the job, or a public set where it is given none."""
    part = public_set(name)
    if work.data is None:
        return folder_of(name, part)
    own = work.data / part.folder
    return own if own.is_dir() else work.data


def figures(score: CoachScore) -> tuple[JobFigure, ...]:
    """Return what a score says, with intervals by speaker."""
    return (
        JobFigure.of_interval("phone", "area under the ROC curve, phones", score.phone),
        JobFigure.of_interval("confusable", "area, phones in place of easily confused ones", score.confusable),
        JobFigure.of_interval("word", "area, words with one phone changed", score.word),
        JobFigure.of_interval("other_word", "area, words in place of other words", score.other_word),
        JobFigure.of_interval("recall", "changed phones found", score.recall),
        JobFigure.of_interval("false_alarms", "right phones told as mistakes", score.false_alarms),
        JobFigure.of_interval("named", "phone that was said is the one named, of confused ones", score.named),
        JobFigure.of("network", "int8 network", score.network_bytes, "B"),
        JobFigure.of("verdict", "from the end of a word to its verdict, median", score.verdict_ms / 1000, "s"),
        JobFigure.of("late_verdict", "the same, 90 % of words within", score.late_verdict_ms / 1000, "s"),
    )  # fmt: skip


def example(coach: CoachFile, take: Take, seed: int) -> Timeline:
    """Return a recording with a changed prompt: what was changed above, what the coach found below."""
    scores = PhoneStream(coach.spec, coach.network).whole(take.frames)
    change = changed_prompt(take.pronunciations, None, np.random.default_rng([seed, 21]))
    matches = by_word(scores, change.pronunciations)
    truth, answers, marks = [], [], []
    for word, phones in matches.items():
        for index, match in enumerate(phones):
            was = change.truth.get((word, index))
            reported = match.mistake > coach.spec.phone_limit
            truth.append(_stretch(match, was is not None))
            answers.append(_stretch(match, reported))
            if reported or was is not None:
                kind = "alarm" if reported and was is not None else "false alarm" if reported else "missed"
                spoken = PHONES[match.confused if was is None else was]
                marks.append(Mark(time=_begin(match), kind=kind, text=f"{PHONES[match.segment.phone]}, said {spoken}"))
    return Timeline(
        title=f"{take.text.lower()} (speaker {take.speaker}, prompt changed)", seconds=len(scores) * STEP_S,
        labels=(_RIGHT, _OTHER), truth=tuple(truth), answers=tuple(answers), marks=tuple(marks),
    )  # fmt: skip


def _begin(match: PhoneMatch) -> float:
    return float(step_time(match.segment.begin)) - STEP_S / 2


def _stretch(match: PhoneMatch, wrong: bool) -> Stretch:
    start = _begin(match)
    return Stretch(
        label=_OTHER if wrong else _RIGHT, start=start, end=start + (match.segment.end - match.segment.begin) * STEP_S
    )


STEP = Step(Config, "A coach for pronunciation", _coach)
