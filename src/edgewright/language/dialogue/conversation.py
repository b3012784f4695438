"""A conversation line by line, and each turn step by step with the values that decided."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from edgewright.core.formatting import percent
from edgewright.core.state_machine.validation import CheckedTable
from edgewright.nlp.dialogue import CONFIDENCE, UNCLEAR, Dialogue, DialogueOutput, Look
from edgewright.nlp.utterance.parse import Understands
from edgewright.schema.documents import Answer
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Parsed
from edgewright.schema.state_table import LATE, TIMEOUT

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
            raise InputError("an intent such as /yes or /dispense_drink drink=cola", repr(line), "language chat",
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
        raise InputError("seconds from 0 to 1e9", repr(line), "/wait SECONDS")
    return seconds


def _given(line: str) -> tuple[str, dict[str, float | str]]:
    """`/dispense_drink drink=cola number=2`."""
    try:
        first, *rest = shlex.split(line[1:])
        slots = dict(part.split("=", 1) for part in rest)
        if "" in slots:
            raise ValueError
    except ValueError:
        raise InputError("/INTENT SLOT=VALUE ...", repr(line), "language chat") from None
    if first in (TIMEOUT, LATE):
        raise InputError("an intent", repr(line), "language chat", "/wait SECONDS lets time pass")
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
