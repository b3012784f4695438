"""`typing`: somebody types sentences that no model has read; the device suggests words after every key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.jobs.group_figures import over_groups
from edgewright.jobs.steps import Step, StepConfig, Work, run_offline
from edgewright.jobs.steps.suggest import TYPED
from edgewright.language.texts.training import by_model
from edgewright.nlp.texts.model_file import read_text_model
from edgewright.nlp.texts.suggest import BEFORE, device_words
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import SHARE, Numbers

_HAND, _CHOSEN = "typed", "chosen"
_WORD = re.compile(r"[A-Za-z0-9']+")
# A sentence begins behind the end of another, or a line.
_SENTENCE = re.compile(r"(?<=[.!?] |.\n)(?=[A-Z])")
Words = Callable[[str], Sequence[str]]


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session.

    Attributes:
        model: step that trained it.
        passages: that are typed.
        words: of a passage.
        key_s: seconds from one key to the next; a choice takes as long.
        seed: seed of the passages.
    """

    model: str = "suggest"
    passages: Annotated[int, msgspec.Meta(ge=2)] = 20
    words: Annotated[int, msgspec.Meta(ge=1)] = 20
    key_s: Annotated[float, msgspec.Meta(gt=0)] = 0.3
    seed: int = 0


@dataclass(frozen=True)
class _Word:
    """A word that was typed.

    Attributes:
        text: itself.
        begin: of its first character in the passage.
        typed: characters by hand.
        chosen: whether it was suggested then.
    """

    text: str
    begin: int
    typed: int
    chosen: bool

    @property
    def keys(self) -> int:
        """Keystrokes: of characters and the choice, or the word and the space behind it."""
        return self.typed + 1

    @property
    def needed(self) -> int:
        """Keystrokes without suggestions, with the space."""
        return len(self.text) + 1


def _typing(config: Config, work: Work) -> StepRecord:
    file = work.file_of(config.model, "suggest", f"{config.model}.text")
    _, model = read_text_model(file)
    passages = _passages((file.parent / TYPED).read_text(encoding="ascii"), config)
    seconds: list[float] = []

    def on_device(text: str) -> Sequence[str]:
        begun = time.process_time()
        suggestions = device_words(model, text)
        seconds.append(time.process_time() - begun)
        return suggestions

    typed, by_search = [], []
    for before, passage in work.each("Typing sentences", passages, len(passages)):
        typed.append(_typed(before, passage, on_device))
        by_search.append(_typed(before, passage, by_model(model)))
    lines = [(before + passage[: word.begin + word.typed]).replace("\n", " ")
             for (before, passage), words in zip(passages, typed, strict=True) for word in words]  # fmt: skip
    process = run_offline(["language", "suggest", "--model", file], lines)
    middle = sorted(range(len(typed)), key=lambda number: _saved(typed[number]))[len(typed) // 2]
    every = [word for words in typed for word in words]
    return StepRecord(
        command=f"edgewright language suggest --model runs/{work.folder.name}/{config.model}/{file.name}",
        says=(
            f"{plural(len(passages), 'passage')} of the articles that neither trained nor chose, {len(every)} words, a "
            f"key every {config.key_s:g} s; a word is chosen as soon as it is one of three suggestions. They are those "
            "of the exported C code, which the proof compares. Drawn is the passage in the middle by what it saves.",
        ),
        figures=(
            _share("saved", "keystrokes saved", typed, _saved),
            _share("searched", "the same with the search of language suggest", by_search, _saved),
            _share("chosen", "words that are chosen", typed, lambda words: _mean([word.chosen for word in words])),
            _share("next_word", "words that are chosen before their first character", typed,
                   lambda words: _mean([word.chosen and not word.typed for word in words])),
            JobFigure.of("p99", "processor time of three suggestions, Python, 99 of 100 within",
                         float(np.quantile(seconds, 0.99)), "s"),
            JobFigure.of("model", "model on the device", file.stat().st_size, "B"),
            *process.figures(),
        ),
        timeline=_timeline(passages[middle][1], typed[middle], config.key_s),
    )  # fmt: skip


def _passages(text: str, config: Config) -> list[tuple[str, str]]:
    """Return passages, each with the characters before it that count.

    Raises:
        InputError: the text has too few of so many words.
    """
    passages: list[tuple[str, str]] = []
    end = 0
    for match in _SENTENCE.finditer(text):
        words = list(_WORD.finditer(text, match.start()))[: config.words] if match.start() >= end else []
        if len(words) == config.words:
            end = words[-1].end()
            passages.append((text[max(0, match.start() - BEFORE) : match.start()], text[match.start() : end]))
    if len(passages) < config.passages:
        wanted = f"{config.passages} passages of {config.words} words"
        raise InputError(wanted, str(len(passages)), "the articles that judge", "Set passages, or words, lower")
    order = np.random.default_rng([config.seed, 51]).permutation(len(passages))[: config.passages]
    return [passages[index] for index in sorted(order.tolist())]


def _typed(before: str, passage: str, suggesting: Words) -> list[_Word]:
    typed_words = []
    for match in _WORD.finditer(passage):
        word = match[0]
        typed = next(
            (count for count in range(len(word)) if word in suggesting(before + passage[: match.start() + count])),
            len(word),
        )
        typed_words.append(_Word(word, match.start(), typed, typed < len(word)))
    return typed_words


def _saved(words: Sequence[_Word]) -> float:
    return 1 - sum(word.keys for word in words) / sum(word.needed for word in words)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def _share(
    name: str, title: str, typed: Sequence[Sequence[_Word]], of: Callable[[Sequence[_Word]], float]
) -> JobFigure:
    def statistic(rows: Numbers) -> float:
        return of([word for row in rows.tolist() for word in typed[row]])

    return over_groups(name, title, np.arange(len(typed)), statistic, SHARE)


def _timeline(passage: str, words: Sequence[_Word], key_s: float) -> Timeline:
    answers, states, marks, keys, shown = [], [], [], 0, ""
    end = 0
    for word in words:
        # Signs between words are keys, too; the space is part of a word.
        keys += max(0, word.begin - end - 1)
        begin = keys * key_s
        hand = begin + (word.typed + (not word.chosen)) * key_s
        keys += word.keys
        if hand > begin:
            answers.append(Stretch(label=_HAND, start=begin, end=hand))
        if word.chosen:
            answers.append(Stretch(label=_CHOSEN, start=hand, end=keys * key_s))
            marks.append(Mark(time=hand, kind="alarm", text=f"{word.text} after {word.typed} of {len(word.text)}"))
        else:
            marks.append(Mark(time=hand, kind="missed", text=word.text))
        states.append(Stretch(label=word.text, start=begin, end=keys * key_s))
        rest = word.text[word.typed :]
        shown += passage[end : word.begin] + word.text[: word.typed] + (f"[{rest}]" if rest else "")
        end = word.begin + len(word.text)
    return Timeline(
        title=f"“{' '.join(shown.split())}”, chosen parts in brackets", seconds=keys * key_s, labels=(_HAND, _CHOSEN),
        truth=(), answers=tuple(answers), states=tuple(states), marks=tuple(marks),
        keys=("", "keystrokes", "words"),
        note="Triangles are suggestions that were chosen; a cross is a word that was never suggested.",
    )  # fmt: skip


STEP = Step(Config, "Somebody types", _typing)
