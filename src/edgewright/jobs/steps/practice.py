"""`practice`: people read sentences into the streaming coach one after the other; verdicts, delays and a local log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.jobs.group_figures import ratio, with_and_without
from edgewright.jobs.steps import Step, StepConfig, Work, run_offline
from edgewright.jobs.steps.coach import recordings_of
from edgewright.language.pronunciation.coach import CoachFile, read_coach
from edgewright.language.pronunciation.evaluation import unheard
from edgewright.language.pronunciation.log import keep
from edgewright.language.pronunciation.phones import PHONES, ChangedPrompt, changed_prompt
from edgewright.language.pronunciation.reading import Reader
from edgewright.language.pronunciation.speech import RATE
from edgewright.language.pronunciation.takes import Take, lexicon_file, read_corpus, read_sound, sound_files
from edgewright.schema.coach import Reading, WordVerdict
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import SHARE

_RIGHT, _WRONG = "as in the prompt", "mispronounced"
# Sound comes in pieces of a microphone.
_PIECE = RATE // 20


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session.

    Attributes:
        coach: file of the step before; that of the job's name when empty.
        set: public set that is read where the job is given no data.
        maximum: recordings of one speaker; 0 for all.
        shown: sentences on the time line: those with the fewest right verdicts.
        pause: seconds between two sentences.
        seed: seed of the changed prompts.
    """

    coach: str = ""
    set: str = "speechocean"
    maximum: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=1, name="most")
    shown: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(default=6, name="drawn")
    pause: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    seed: int = 0


@dataclass(frozen=True)
class _Sentence:
    """A sentence that was read: verdicts as they came, and what was changed in its prompt."""

    take: Take
    change: ChangedPrompt
    verdicts: tuple[WordVerdict, ...]
    seconds: float
    busy: float

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether the prompt of each word was changed."""
        return np.array([any(word == number for word, _ in self.change.changed) for number in range(self.words)])

    @property
    def reported(self) -> NDArray[np.bool_]:
        return np.array([not verdict.right for verdict in self.verdicts])

    @property
    def words(self) -> int:
        return len(self.verdicts)

    @property
    def delays(self) -> list[float]:
        return [verdict.known_s - verdict.end_s for verdict in self.verdicts]

    def spoken(self, number: int) -> str:
        """Return which phone was said in place of which, where the prompt of a word was changed."""
        word = self.verdicts[number]
        return "; ".join(
            f"{word.phones[index].phone} in the prompt, {PHONES[phone]} said"
            for (at, index), phone in self.change.truth.items()
            if at == number
        )


def _practice(config: Config, work: Work) -> StepRecord:
    folder = recordings_of(config.set, work)
    file = work.out / (config.coach or f"{work.folder.name}.coach")
    coach = read_coach(file)
    takes = unheard(coach, read_corpus(folder, config.maximum).takes)
    if len({take.speaker for take in takes}) < 2:
        raise InputError("recordings of at least two speakers that did not train", str(len(takes)), str(folder))
    sounds = sound_files(folder)
    log = work.out / config.step_name
    read: list[_Sentence] = []
    moment = datetime.now().astimezone()
    for number, take in work.each("Reading sentences to the coach", enumerate(takes), len(takes)):
        sound = read_sound(sounds[take.name])
        sentence = _sentence(coach, take, sound, np.random.default_rng([config.seed, 31, number]))
        if sentence is not None:
            read.append(sentence)
            moment += timedelta(seconds=sentence.seconds + config.pause)
            keep(log, Reading(text=take.text, words=sentence.verdicts), sound, moment)
    if not read:
        raise InputError("a sentence of which all words are heard", "none", str(folder))
    opener = read[0].take
    process = run_offline([
        "coach", "listen", file, opener.text, "--wav", sounds[opener.name], "--lexicon", lexicon_file(folder),
    ])  # fmt: skip
    kept = sum(path.stat().st_size for path in log.iterdir())
    log_figure = JobFigure.of("log", f"log of {plural(len(read), 'sentence')}, with sound", kept, "B")
    return _record(config, work, read, len(takes) - len(read), (log_figure, *process.figures()))


def _sentence(coach: CoachFile, take: Take, sound: Floats, rng: np.random.Generator) -> _Sentence | None:
    """Read a changed prompt to the coach as a microphone brings it; None where it judged not every word."""
    change = changed_prompt(take.pronunciations, None, rng)
    begun = time.process_time()
    reader = Reader(coach, take.words, change.pronunciations)
    verdicts = [
        verdict for start in range(0, len(sound), _PIECE) for verdict in reader.push(sound[start : start + _PIECE])
    ]
    verdicts += reader.finish()
    busy = time.process_time() - begun
    if len(verdicts) < len(take.words):
        return None
    return _Sentence(take, change, tuple(verdicts), len(sound) / RATE, busy)


def _record(
    config: Config, work: Work, read: Sequence[_Sentence], lost: int, measured: Sequence[JobFigure]
) -> StepRecord:
    name = config.step_name
    speakers = np.unique([sentence.take.speaker for sentence in read])
    counts = np.array([
        np.sum([
            (s.wrong.sum(), (s.wrong & s.reported).sum(), (~s.wrong).sum(), (~s.wrong & s.reported).sum())
            for s in read if s.take.speaker == speaker
        ], axis=0)
        for speaker in speakers
    ], np.float64)  # fmt: skip

    def share(of: int) -> tuple[JobFigure, ...]:
        title, key, worst = (
            ("changed words that are told", "found", np.argmin) if of == 0
            else ("right words that are told as mistakes", "false_alarms", np.argmax)
        )  # fmt: skip
        whole, part = counts[:, of], counts[:, of + 1]
        bad, share_of = int(worst(part / np.maximum(whole, 1))), ratio(part, whole)
        return tuple(with_and_without(key, title, speakers.tolist(), bad, share_of, SHARE, joint=", "))

    delays = np.array([delay for sentence in read for delay in sentence.delays])
    seconds = sum(sentence.seconds for sentence in read)
    shown = sorted(read, key=lambda sentence: float((sentence.wrong == sentence.reported).mean()))[: config.shown]
    log_path = f"runs/{work.folder.name}/{name}"
    return StepRecord(
        command=f"edgewright coach listen COACH SENTENCE --log {log_path}",
        says=(
            f"{plural(len(read), 'sentence')} of {plural(len(speakers), 'speaker')} whom the coach has never heard, "
            f"{seconds:.0f} s of sound, one after the other into the reader of edgewright coach listen, 50 ms at a "
            "time. A fifth of the words has a phone changed in the prompt.",
            *([f"{plural(lost, 'sentence')} ended too early or sounded like another one"] if lost else []),
            f"The log on this machine, {log_path}, has a line and the sound of each sentence; "
            f"edgewright coach progress {log_path} prints its days.",
        ),
        figures=(
            JobFigure.of("words", "words read", sum(sentence.words for sentence in read), "1"),
            *share(0),
            *share(2),
            JobFigure.of("delay", "from the end of a word to its verdict, median", float(np.median(delays)), "s"),
            JobFigure.of("late", "the same, 90 % of words within", float(np.quantile(delays, 0.9)), "s"),
            JobFigure.of("busy", "processor time of a second of sound, Python on one core of this machine",
                         sum(sentence.busy for sentence in read) / seconds, "s"),
            *measured,
        ),
        timeline=_timeline([sentence for sentence in read if sentence in shown], config.pause),
        folder=name,
    )  # fmt: skip


def _timeline(read: Sequence[_Sentence], pause: float) -> Timeline:
    truth, answers, states, marks, begin = [], [], [], [], 0.0
    for sentence in read:
        for number, (word, wrong, reported) in enumerate(
            zip(sentence.verdicts, sentence.wrong, sentence.reported, strict=True)
        ):
            start, end = begin + word.begin_s, begin + word.end_s
            truth.append(Stretch(label=_WRONG if wrong else _RIGHT, start=start, end=end))
            answers.append(Stretch(label=_WRONG if reported else _RIGHT, start=start, end=end))
            unclear = "; ".join(f"{phone.phone} sounds like {phone.instead}" for phone in word.phones if phone.instead)
            if reported:
                kind = "alarm" if wrong else "false alarm"
                spoken = f" ({sentence.spoken(number)})" if wrong else ""
                text = f"{word.word.lower()}{spoken}: {unclear or 'unclear'}"
                marks.append(Mark(time=begin + word.known_s, kind=kind, text=text))
            elif wrong:
                marks.append(Mark(time=end, kind="missed", text=f"{word.word.lower()} ({sentence.spoken(number)})"))
        states.append(Stretch(label=f"speaker {sentence.take.speaker}", start=begin, end=begin + sentence.seconds))
        begin += sentence.seconds + pause
    return Timeline(
        title=f"The {plural(len(read), 'sentence')} with the fewest right verdicts", seconds=begin,
        labels=(_RIGHT, _WRONG), truth=tuple(truth), answers=tuple(answers), states=tuple(states), marks=tuple(marks),
        keys=("prompt", "verdict", "sentences"),
        note=(
            "Triangles are mistakes that the coach told, at the moment of the verdict, red ones of words that are "
            "right; a cross is a changed word that passed."
        ),
    )  # fmt: skip


STEP = Step(Config, "A practice session", _practice)
