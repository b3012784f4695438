"""A conversation line by line, and each turn step by step with the values that decided."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.core.errors import DialogueError, InputError, StateTableError, UnknownNameError
from edgewright.core.formatting import percent
from edgewright.core.state_machine.table import (
    EVERY,
    FOUND,
    LATE,
    NOT_FOUND,
    TIMEOUT,
    CheckedTable,
    StateTable,
    sorted_table,
    states_of,
    table_problems,
)
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.nlp.dialogue import (
    BLANK,
    CONFIDENCE,
    RETRIEVED,
    START,
    UNCLEAR,
    Dialogue,
    DialogueOutput,
    Look,
    event_name,
)
from edgewright.nlp.records import OUT_OF_SCOPE, Answer, LanguageSpec, Parsed
from edgewright.nlp.utterance.parse import Understands

WAIT = "/wait"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a line.

    Attributes:
        line: as it was typed.
        parsed: how it was understood; None for an intent that was given, and for time that passed.
        outputs: what the dialogue did.
        problem: why a sentence could not be read, else empty.
    """

    line: str
    parsed: Parsed | None
    outputs: tuple[DialogueOutput, ...]
    problem: str = ""


class Conversation:
    """A dialogue that takes lines: a sentence, `/INTENT SLOT=VALUE ...`, or `/wait SECONDS`.

    Args:
        checked: the table.
        look: looks up what it retrieves.
        understanding: its model; without one a table that retrieves takes each sentence for a question.
        minimum: probability below which an utterance is out of scope.
    """

    def __init__(
        self, checked: CheckedTable, look: Look | None, understanding: Understands | None, minimum: float = 0.0
    ) -> None:
        self.talk = Dialogue(checked, look)
        self._understanding, self._minimum = understanding, minimum

    def take(self, line: str, now: float) -> Turn:
        """Return what came of a line.

        Args:
            line: without space at its ends; the seconds of `/wait` are part of `now`.
            now: seconds; never back.

        Raises:
            InputError: a line that means nothing.
        """
        if line.startswith(WAIT):
            return Turn(line=line, parsed=None, outputs=tuple(self.talk.wait(now)))
        if line.startswith("/"):
            event, slots = _given(line)
            return Turn(line=line, parsed=None, outputs=tuple(self.talk.event(event, slots, now)))
        if self._understanding is None:
            return self._without_model(line, now)
        try:
            parsed = self._understanding.parse(line)
        except InputError as error:
            # A sentence that cannot be read ends no conversation.
            outputs = self.talk.event(UNCLEAR, {CONFIDENCE: 0.0}, now)
            return Turn(line=line, parsed=None, outputs=tuple(outputs), problem=str(error))
        if not parsed.confidence >= self._minimum:
            parsed = msgspec.structs.replace(parsed, intent=OUT_OF_SCOPE, slots=())
        return Turn(line=line, parsed=parsed, outputs=tuple(self.talk.hear(parsed, now)))

    def _without_model(self, line: str, now: float) -> Turn:
        if not self.talk.table.retrieve:
            raise StateTableError("an intent such as /yes or /dispense_drink drink=cola", repr(line), "language chat",
                             "Set --model to parse sentences")  # fmt: skip
        parsed = Parsed(text=line, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0)
        return Turn(line=line, parsed=parsed, outputs=tuple(self.talk.hear(parsed, now)))


def seconds_of(line: str) -> float:
    """Return the seconds of `/wait SECONDS`, 0 for another line.

    Raises:
        InputError: no number of them.
    """
    if not line.startswith(WAIT):
        return 0.0
    try:
        seconds = float(line.removeprefix(WAIT))
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= 1e9:
        raise StateTableError("seconds from 0 to 1e9", repr(line), "/wait SECONDS")
    return seconds


def _given(line: str) -> tuple[str, dict[str, float | str]]:
    """`/dispense_drink drink=cola number=2`."""
    try:
        first, *rest = shlex.split(line[1:])
        slots = dict(part.split("=", 1) for part in rest)
        if "" in slots:
            raise ValueError
    except ValueError:
        raise StateTableError("/INTENT SLOT=VALUE ...", repr(line), "language chat") from None
    if first in (TIMEOUT, LATE):
        raise StateTableError("an intent", repr(line), "language chat", "/wait SECONDS lets time pass")
    values: dict[str, float | str] = {}
    for name, value in slots.items():
        try:
            number = float(value)
            values[name] = number if math.isfinite(number) else value
        except ValueError:
            values[name] = value
    return first, values


class TurnStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a turn.

    Attributes:
        kind: what happened.
        text: in a sentence.
        headers, rows: values, as a table.
        state: the dialogue is in afterwards.
        step: index of the table's step, from 0; -1 for none.
    """

    kind: Literal["intent", "retrieve", "step", "answer", "state"]
    text: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    state: str = ""
    step: int = msgspec.field(default=-1, name="place")


def turn_steps(parsed: Parsed | None, outputs: Sequence[DialogueOutput]) -> tuple[TurnStep, ...]:
    """Return the steps of a turn.

    Args:
        parsed: what was understood; None where nobody spoke, or an intent was given.
        outputs: what the dialogue did, in order.
    """
    steps: list[TurnStep] = []
    for output in outputs:
        # Time-outs that were due come before what was heard.
        if parsed is not None and output.event != TIMEOUT:
            steps.append(_understood(parsed, output.before))
            parsed = None
        if output.retrieved is not None:
            steps.append(_retrieved(output.retrieved, output.before))
        steps += _step_taken(output)
    if parsed is not None:
        steps.append(_understood(parsed, outputs[-1].after if outputs else ""))
    return tuple(steps)


def _understood(parsed: Parsed, state: str) -> TurnStep:
    likely = [(other.intent, other.confidence) for other in parsed.others]
    if parsed.intent != OUT_OF_SCOPE:
        likely.insert(0, (parsed.intent, parsed.confidence))
    rows = [("intent", name, percent(chance)) for name, chance in likely]
    rows += [("slot", slot.name, str(slot.text if slot.value is None else slot.value)) for slot in parsed.slots]
    if parsed.intent != OUT_OF_SCOPE:
        text = f"Intent {parsed.intent}, {percent(parsed.confidence)}"
    elif likely:
        text = f"Out of scope: score {parsed.score:.2f}, required {parsed.limit:.2f}"
    else:
        text = f"Out of scope: {parsed.why or 'no model'}"
    return TurnStep(
        kind="intent", text=text, headers=("", "name", "value") if rows else (), rows=tuple(rows), state=state
    )


def _retrieved(answer: Answer, state: str) -> TurnStep:
    sure, limit = percent(answer.confidence), percent(answer.threshold)
    rows = tuple(
        (
            f"{passage.score:.2f}",
            " > ".join(passage.path) or passage.document,
            str(passage.page or ""),
            " ".join(passage.sentence.split()),
        )
        for passage in answer.passages
    )
    verdict = "found" if answer.answered else "not found"
    unknown = f"; no word like {', '.join(answer.unknown[:5])}" if answer.unknown else ""
    text = f"Retrieve in {state}: {verdict}, probability of an answer {sure}, required {limit}{unknown}"
    if answer.phrased:
        uses = "quoted, for its words rest on no passage or on several"
        if answer.phrased.carried and len(answer.phrased.citations) == 1:
            uses = f"by its words, which rest on [{answer.phrased.citations[0]}]"
        text += f"; {answer.phrased.model} was asked: {uses}"
    headers = ("score", "section", "page", "sentence") if rows else ()
    return TurnStep(kind="retrieve", text=text, headers=headers, rows=rows, state=state)


def _step_taken(output: DialogueOutput) -> Iterator[TurnStep]:
    yield TurnStep(kind="step", text=f"Step {output.step + 1} of the table: {output.before}, {output.event}",
                   state=output.before, step=output.step)  # fmt: skip
    for label in output.does:
        yield TurnStep(kind="answer", text=f"Do: {label}", state=output.before, step=output.step)
    for answer in output.answers:
        yield TurnStep(kind="answer", text=f"Say: {answer}", state=output.before, step=output.step)
    stays = "stays in" if output.after == output.before else f"{output.before} to"
    yield TurnStep(kind="state", text=f"State: {stays} {output.after}", state=output.after, step=output.step)


def turn_lines(steps: Sequence[TurnStep]) -> Iterator[str]:
    """Yield the steps as lines of a terminal."""
    for step in steps:
        yield f"  {step.text}"
        widths = [max(len(row[column]) for row in step.rows) for column in range(len(step.headers) - 1)] + [0]
        for row in step.rows:
            yield "    " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


RULES = ("number", "duration", "date", "time")
"""Slots that `nlp.utterance.values` finds for every model."""


class Vocabulary(msgspec.Struct, frozen=True):
    """What a model can understand: intents and slots, by the names that events and guards have."""

    intents: frozenset[str]
    slots: frozenset[str]


class DialogueSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a dialogue that can be held.

    Attributes:
        states, steps: how many.
        events: that it takes.
        slots: that it asks for.
        findings: what is allowed, and perhaps not meant.
    """

    name: str
    states: int
    steps: int
    events: tuple[str, ...]
    slots: tuple[str, ...]
    findings: tuple[str, ...]


def vocabulary(spec: LanguageSpec) -> Vocabulary:
    """Of a model's file.

    Raises:
        InputError: two of its intents are one event.
    """
    seen: dict[str, str] = {}
    for intent in spec.intents:
        other = seen.setdefault(event_name(intent), intent)
        if other != intent:
            raise StateTableError("intents that differ as events", f"{other!r} and {intent!r}", spec.name, "Rename one")
    tagged = {label.partition("-")[2] for label in spec.tagger.labels if "-" in label} if spec.tagger else set()
    slots = {event_name(name) for name in (*tagged, *spec.gazetteers, *RULES)}
    return Vocabulary(frozenset(map(event_name, spec.intents)), frozenset(slots))


def model_of(path: Path) -> Path | None:
    """Return the file of the model that a dialogue names; None where it names none.

    Raises:
        InputError: the dialogue is no state table.
    """
    table = convert_table(read_toml(path, "a state table"), StateTable, path.name)
    return path.parent / table.model if table.model else None


def read_dialogue(path: Path, known: Vocabulary | None = None) -> tuple[CheckedTable, DialogueSummary]:
    """Read a dialogue and check it.

    Args:
        path: a state table of TOML.
        known: what the model understands; None where there is no model: then every name is taken to be meant.

    Raises:
        UnknownNameError: an intent, a state or a slot that is none.
        InputError: as `validation.check_table`, and for a dialogue without steps, one with a watchdog or rates
            of change, a fallback that is missing or says nothing, time-outs or retrievals that go round by themselves,
            or a retrieval that is not answered.
    """
    where = path.name
    checked = sorted_table(convert_table(read_toml(path, "a state table"), StateTable, where), where)
    for error in problems(checked, where, known):
        raise error
    return checked, summary(checked, known, path.parent)


def problems(checked: CheckedTable, where: str, known: Vocabulary | None = None) -> Iterator[InputError]:
    """Yield everything that keeps a dialogue from being held, as `read_dialogue` raises the first of it."""
    yield from table_problems(checked, where)
    if not checked.table.steps:
        yield StateTableError("a dialogue with steps", "none", where, "See docs/examples/vending.toml")
    yield from _own(checked, where)
    yield from _fallbacks(checked, where)
    yield from _rounds(checked, where)
    yield from _retrievals(checked, where)
    if known is not None:
        yield from _known(checked, _slots_used(checked), known, where)


def summary(checked: CheckedTable, known: Vocabulary | None, folder: Path) -> DialogueSummary:
    """Return what was seen of a dialogue that can be held; its indexes are looked for in `folder`."""
    table, events = checked.table, tuple(sorted(checked.events - {EVERY}))
    findings = (*_findings(checked, known), *_missing_indexes(table, folder))
    return DialogueSummary(
        name=table.name, states=len(table.states), steps=len(table.steps), events=events,
        slots=tuple(sorted(_slots_used(checked))), findings=findings,
    )  # fmt: skip


def _own(checked: CheckedTable, where: str) -> Iterator[InputError]:
    if checked.table.safe or any(step.event == LATE for step in checked.table.steps):
        yield DialogueError("a dialogue without a watchdog", "`safe` or event 'late'", where,
                         "Silence is a step of event 'timeout'")  # fmt: skip
    for guard in checked.guards:
        if guard.rates:
            yield StateTableError("a guard of slots", "a rate of change", f"{where}, {guard.text!r}")


def _fallbacks(checked: CheckedTable, where: str) -> Iterator[InputError]:
    table = checked.table
    if table.fallback == "stay":
        yield StateTableError("fallback = 'step' in a dialogue", "'stay'", where,
                         "A dialogue must answer any input: add a step with event = '*' to every state")  # fmt: skip
    for state in table.states:
        last = next((row for row in checked.rows.get((state, EVERY), ()) if not row.step.when.strip()), None)
        answers = last is None or last.step.to in table.retrieve or any(action.say for action in last.step.actions)
        if last is not None and not answers:
            yield StateTableError(f"a fallback with an answer in state {state!r}", "none",
                             f"{where} steps[{last.index}].actions", 'Add { say = "..." }')  # fmt: skip


def _rounds(checked: CheckedTable, where: str) -> Iterator[InputError]:
    """Time-outs that lead to one another for ever: the dialogue would talk to itself."""
    after = {state: row.step.to or state for state, row in checked.timeouts.items()}
    for begin, second in after.items():
        way, state = [begin], second
        while state in after and state not in way:
            way.append(state)
            state = after[state]
        if state in way:
            text = " -> ".join([*way[way.index(state) :], state])
            yield StateTableError("time-outs that end", f"a cycle: {text}", where,
                             "Let one of these states wait, or end the dialogue after silence")  # fmt: skip


def _retrievals(checked: CheckedTable, where: str) -> Iterator[InputError]:
    """Yield what keeps a retrieval from being answered at once: no step that leaves, something that waits, a cycle."""
    table = checked.table
    if table.initial in table.retrieve:
        yield StateTableError("a first state that waits for a question", f"{table.initial!r}, which retrieves",
                         f"{where} initial", "Retrieve in a state that a step leads to")  # fmt: skip
    after: dict[str, set[str]] = {}
    for state in table.retrieve:
        for event in (FOUND, NOT_FOUND):
            rows = checked.rows.get((state, event), ())
            after.setdefault(state, set()).update(row.step.to for row in rows)
            if not any(not row.step.when.strip() for row in rows) or any(row.step.to in ("", state) for row in rows):
                yield StateTableError(f"a step of event {event!r} that leaves state {state!r}", "none", where,
                                 "Add it without a guard: state, event and to")  # fmt: skip
        if state in checked.timeouts:
            yield StateTableError(f"no time-out in state {state!r}, which retrieves at once", "one",
                             f"{where} steps[{checked.timeouts[state].index}].event")  # fmt: skip
    for row in checked.timeouts.values():
        if row.step.to in table.retrieve:
            yield StateTableError("a time-out to a state that waits", f"{row.step.to!r}, which retrieves",
                             f"{where} steps[{row.index}].to", "Silence asks no question")  # fmt: skip
    for begin in table.retrieve:
        reached, open_ = set[str](), [begin]
        for state in open_:
            new = (after.get(state, set()) & set(table.retrieve)) - reached - {state}
            reached |= new
            open_ += new
        if begin in reached:
            yield StateTableError(
                "retrievals that end", f"a cycle through {begin!r}", where, "Let one lead to another state"
            )


def _missing_indexes(table: StateTable, folder: Path) -> Iterator[str]:
    for state, retrieval in table.retrieve.items():
        if not (folder / retrieval.index).is_file():
            yield (f"{state} retrieves from {retrieval.index}, which is not there: edgewright language index "
                   f"DOCUMENT... --out {retrieval.index}")  # fmt: skip


def _slots_used(checked: CheckedTable) -> set[str]:
    names = {name for guard in checked.guards for name in guard.names}
    for action in checked.actions:
        names |= set(BLANK.findall(action.say)) | ({action.forget} if action.forget else set())
    return names - {CONFIDENCE} - (RETRIEVED if checked.table.retrieve else set())


def _known(checked: CheckedTable, requested: Collection[str], known: Vocabulary, where: str) -> Iterator[InputError]:
    allowed = {*known.intents, START, UNCLEAR, TIMEOUT, EVERY}
    allowed |= {FOUND, NOT_FOUND} if checked.table.retrieve else set()
    for index, step in enumerate(checked.table.steps):
        if step.event not in allowed:
            yield UnknownNameError("intent of the model", step.event, allowed, f"{where} steps[{index}].event")
    for name in sorted(requested):
        if name not in known.slots:
            yield UnknownNameError("slot of the model", name, known.slots, where)


def _findings(checked: CheckedTable, known: Vocabulary | None) -> list[str]:
    table = checked.table
    findings = [
        f"steps[{index}] ({step.event} in {', '.join(states_of(step, table)[:3])}) has no answer"
        for index, step in enumerate(table.steps)
        if step.event != TIMEOUT and step.to not in table.retrieve and not any(action.say for action in step.actions)
    ]
    if known is not None:
        findings += [f"no step uses intent {name!r} of the model" for name in sorted(known.intents - checked.events)]
    short = {*checked.timeouts, *table.final, *table.retrieve, table.initial}
    waiting = [state for state in table.states if state not in short]
    if waiting:
        findings.append(f"{', '.join(waiting)} wait forever: no time-out")
    return findings
