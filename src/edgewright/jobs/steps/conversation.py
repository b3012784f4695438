"""`conversation`: days of visits to a dialogue that looks things up, turn by turn, as a device holds them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.jobs.steps import Step, Work, run_offline
from edgewright.jobs.steps.answers import ManualConfig, read_manual
from edgewright.jobs.steps.flow import answered_from, share_by_group
from edgewright.language.dialogue.conversation import WAIT, Conversation
from edgewright.language.dialogue.validation import model_of, read_dialogue, vocabulary
from edgewright.language.documents.judging import SectionQuestion
from edgewright.nlp.dialogue import DialogueOutput
from edgewright.nlp.documents.retrieval import Retriever
from edgewright.nlp.utterance.parse import Understanding
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, Mark, StepRecord, Stretch, Timeline

_ANSWER, _REFUSAL, _TALK = "answer", "refusal", "talk"
# Of the time between two visits, as much is drawn: time-outs of a table happen in it.
_DRAWN_S = 400.0


class Config(ManualConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days; further keys are those of what is read.

    Attributes:
        flow: step that made the flow.
        script: of a day, a file of the job's folder.
        days: with other questions each.
        seed: seed of the questions.
    """

    flow: str = "flow"
    script: str = "day.toml"
    days: Annotated[int, msgspec.Meta(ge=1)] = 20
    seed: int = 0


class _Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is said and leads to a state, or a question that is drawn."""

    say: str = ""
    state: str = ""
    ask: Literal["", "answer", "refusal"] = ""


class _Visit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    turns: Annotated[tuple[_Turn, ...], msgspec.Meta(min_length=1)]


class _Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    turn_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    visits: Annotated[tuple[_Visit, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class _Line:
    """What is said at a moment.

    Attributes:
        time: seconds since the first visit.
        shown_at: the same on the time line, where pauses are short.
        text: itself.
        expected: lane of what should come of it.
        question: with its section, of questions.
        state: that something else should lead to.
    """

    time: float
    shown_at: float
    text: str
    expected: str
    question: SectionQuestion | None = None
    state: str = ""


@dataclass(frozen=True)
class _Exchange:
    """A line with what the dialogue did."""

    line: _Line
    outputs: tuple[DialogueOutput, ...]
    seconds: float

    @property
    def did(self) -> str:
        """Lane of what came of it."""
        retrievals = [output.retrieved for output in self.outputs if output.retrieved is not None]
        return _TALK if not retrievals else _ANSWER if retrievals[-1].answered else _REFUSAL

    @property
    def right(self) -> bool:
        question = self.line.question
        if question is None:
            return bool(self.outputs) and self.did == _TALK and self.outputs[-1].after == self.line.state
        if self.did != _ANSWER or not question.section:
            return self.did == self.line.expected
        return answered_from(self.outputs, question.section)


def _conversation(config: Config, work: Work) -> StepRecord:
    manual = read_manual(config, work)
    script = convert_table(read_toml(work.folder / config.script, "a script"), _Script, config.script)
    table = work.file_of(config.flow, "flow", "flow.toml")
    days: list[tuple[_Exchange, ...]] = []
    for day in work.each("Talking to the manual", range(config.days), config.days):
        rng = np.random.default_rng([config.seed, 41, day])
        days.append(_held_day(table, _lines(script, manual.questions, manual.others, rng, config.script)))
    shown = min(days, key=lambda exchanges: sum(exchange.right for exchange in exchanges))
    process = run_offline(["language", "chat", table, "--json"], _typed(shown))
    same = _transcript(process.output) == [_step(output) for exchange in shown for output in exchange.outputs]
    return _record(config, work, table, days, shown, process.figures(), same)


def _lines(
    script: _Script, questions: Sequence[SectionQuestion], others: Sequence[SectionQuestion], rng: np.random.Generator,
    where: str,
) -> list[_Line]:  # fmt: skip
    """Return the lines of a day, with its questions drawn."""
    asks: list[str] = [turn.ask for visit in script.visits for turn in visit.turns]
    questions_by_kind = {}
    for kind, pool in ((_ANSWER, questions), (_REFUSAL, others)):
        if len(pool) < asks.count(kind):
            raise InputError(f"{asks.count(kind)} questions for ask = '{kind}'", str(len(pool)), where)
        questions_by_kind[kind] = iter(
            [pool[index] for index in rng.permutation(len(pool))[: asks.count(kind)].tolist()]
        )
    day: list[_Line] = []
    first = _seconds(script.visits[0].at)
    begin = 0.0
    for visit in script.visits:
        start = _seconds(visit.at) - first
        if day:
            if start < day[-1].time + script.turn_s:
                raise InputError("visits in order, each after the one before", visit.at, where)
            begin = day[-1].shown_at + script.turn_s + min(_DRAWN_S, start - day[-1].time - script.turn_s)
        for index, turn in enumerate(visit.turns):
            time_s, drawn_s = start + index * script.turn_s, begin + index * script.turn_s
            if turn.ask:
                question = next(questions_by_kind[turn.ask])
                day.append(_Line(time_s, drawn_s, question.text, turn.ask, question))
            elif turn.say and turn.state:
                day.append(_Line(time_s, drawn_s, turn.say, _TALK, None, turn.state))
            else:
                raise InputError("turns with `ask`, or `say` and `state`", "neither", f"{where}, visit {visit.at}")
    return day


def _seconds(at: str) -> float:
    hour, minute = at.split(":")
    return 3600.0 * int(hour) + 60.0 * int(minute)


def _held_day(table: Path, lines: Sequence[_Line]) -> tuple[_Exchange, ...]:
    """Hold the dialogue of a day, from its beginning."""
    model = model_of(table)
    understanding = Understanding.load(model) if model else None
    checked, _ = read_dialogue(table, vocabulary(understanding.spec) if understanding else None)
    exchanges = []
    with Retriever(checked.table, table.parent) as look:
        conversation = Conversation(checked, look, understanding)
        opening = tuple(conversation.talk.begin(0.0))
        for line in lines:
            begun = time.process_time()
            # Time passes as in a pipe of `language chat`: by a line of its own.
            waited = () if line.time == 0 else conversation.take(f"{WAIT} 0", line.time).outputs
            outputs = conversation.take(line.text, line.time).outputs
            exchanges.append(_Exchange(line, (*opening, *waited, *outputs), time.process_time() - begun))
            opening = ()
            if conversation.talk.over:
                break
    return tuple(exchanges)


def _typed(exchanges: Sequence[_Exchange]) -> list[str]:
    """Return the lines of a day as `language chat` takes them over a pipe."""
    lines, now = [], 0.0
    for exchange in exchanges:
        lines += [f"{WAIT} {exchange.line.time - now!r}"] if exchange.line.time > now else []
        lines.append(exchange.line.text)
        now = exchange.line.time
    return lines


def _transcript(output: str) -> list[object]:
    steps = [json.loads(line) for line in output.splitlines()]
    return [{name: value for name, value in step.items() if name != "heard"} for step in steps]


def _step(output: DialogueOutput) -> object:
    return json.loads(msgspec.json.encode(output))


def _record(
    config: Config, work: Work, table: Path, days: Sequence[Sequence[_Exchange]], shown: Sequence[_Exchange],
    measured: Sequence[JobFigure], same: bool,
) -> StepRecord:  # fmt: skip
    every = [exchange for day in days for exchange in day]
    by_lane = {lane: [exchange for exchange in every if exchange.line.expected == lane] for lane in (_ANSWER, _REFUSAL)}
    # What is said besides is the same every day.
    by_lane[_TALK] = [exchange for exchange in days[0] if exchange.line.expected == _TALK]
    figures = []
    for lane, name, title in (
        (_ANSWER, "answered", "questions answered from the right section"),
        (_REFUSAL, "refused", "questions to other documents that are refused"),
        (_TALK, "talk", f"the {len(by_lane[_TALK])} other sentences of a day that lead to the state they should"),
    ):
        some = by_lane[lane]
        if some:
            groups = np.array(
                [exchange.line.question.group if exchange.line.question else exchange.line.text for exchange in some]
            )
            share = share_by_group([exchange.right for exchange in some], groups)
            figures.append(JobFigure.of_interval(name, title, share))
    files = sum(path.stat().st_size for path in table.parent.iterdir())
    seconds = [exchange.seconds for exchange in every]
    word = "gives the same transcript" if same else "gives another transcript"
    table_path = f"runs/{work.folder.name}/{config.flow}/flow.toml"
    return StepRecord(
        command=f"edgewright language chat {table_path} --json < lines.txt",
        says=(
            f"{plural(len(days), 'day')} of {len(shown)} turns, {sum(map(len, days)):,} in all; every day draws other "
            "questions. Drawn is the day with the fewest right turns. The command edgewright language chat, in a "
            f"process of its own, {word} of it.",
        ),
        figures=(
            *figures,
            JobFigure.of("p99", "processor time of a turn, 99 of 100 within", float(np.quantile(seconds, 0.99)), "s"),
            JobFigure.of("files", "table, index and model on the device", files, "B"),
            *measured,
        ),
        timeline=_timeline(shown, config.script),
        passed=same,
    )  # fmt: skip


def _timeline(exchanges: Sequence[_Exchange], script: str) -> Timeline:
    ends = [min(after.line.shown_at, exchange.line.shown_at + _DRAWN_S) for exchange, after in pairwise(exchanges)]
    turn = (
        min(after - exchange.line.shown_at for exchange, after in zip(exchanges, ends, strict=False)) if ends else 30.0
    )
    truth, answers = (
        tuple(Stretch(label=label, start=e.line.shown_at, end=e.line.shown_at + turn) for label, e in lane)
        for lane in ([(e.line.expected, e) for e in exchanges], [(e.did, e) for e in exchanges])
    )
    states, marks, before = list[Stretch](), list[Mark](), 0.0
    for number, exchange in enumerate(exchanges):
        kind = "alarm" if exchange.right else "false alarm" if exchange.did == _ANSWER else "missed"
        if exchange.line.expected != _TALK or not exchange.right:
            marks.append(Mark(time=exchange.line.shown_at + turn / 2, kind=kind, text=exchange.line.text))
        for output in exchange.outputs:
            # What happened in a pause lies behind the turn before it.
            last = exchanges[number - 1].line if number else exchange.line
            at = min(last.shown_at + output.time - last.time, exchange.line.shown_at)
            if at > before:
                _add(states, Stretch(label=output.before, start=before, end=at))
            before = at
    end = exchanges[-1].line.shown_at + turn
    final = exchanges[-1].outputs[-1].after if exchanges[-1].outputs else ""
    if final and end > before:
        _add(states, Stretch(label=final, start=before, end=end))
    return Timeline(
        title=f"{script}, pauses of more than {_DRAWN_S:.0f} s cut short", seconds=end,
        labels=(_ANSWER, _REFUSAL, _TALK), truth=truth, answers=answers, states=tuple(states), marks=tuple(marks),
        keys=("expected", "came", "states"),
        note=(
            "Green triangles are answers from the right section and right refusals, red ones answers from another "
            "section or to a question of other documents; a cross is a turn that is refused or taken otherwise."
        ),
    )  # fmt: skip


def _add(states: list[Stretch], stretch: Stretch) -> None:
    """Append a stretch, or lengthen the last one of the same state."""
    if states and states[-1].label == stretch.label and states[-1].end == stretch.start:
        stretch = msgspec.structs.replace(states.pop(), end=stretch.end)
    states.append(stretch)


STEP = Step(Config, "A day of conversation", _conversation)
