"""One turn of a dialogue step by step, with the values that decided: intent, passages, answer and next state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from edgewright.core.formatting import percent
from edgewright.nlp.dialogue import DialogueOutput
from edgewright.schema.documents import Answer
from edgewright.schema.language import OUT_OF_SCOPE, Parsed
from edgewright.schema.state_table import TIMEOUT


class TurnStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a turn.

    Attributes:
        kind: what happened.
        text: in a sentence.
        headers, rows: values, as a table.
        state: the dialogue is in afterwards.
        place: of the table's step, from 0; -1 for none.
    """

    kind: Literal["intent", "retrieve", "step", "answer", "state"]
    text: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    state: str = ""
    place: int = -1


def turn_steps(parsed: Parsed | None, outputs: Sequence[DialogueOutput]) -> tuple[TurnStep, ...]:
    """Return the steps of a turn.

    Args:
        parsed: what was understood; None where nobody spoke, or an intent was given.
        outputs: what the dialogue did, in order.
    """
    made: list[TurnStep] = []
    for output in outputs:
        # Time-outs that were due come before what was heard.
        if parsed is not None and output.event != TIMEOUT:
            made.append(_understood(parsed, output.before))
            parsed = None
        if output.retrieved is not None:
            made.append(_retrieved(output.retrieved, output.before))
        made += _taken(output)
    if parsed is not None:
        made.append(_understood(parsed, outputs[-1].after if outputs else ""))
    return tuple(made)


def _understood(parsed: Parsed, state: str) -> TurnStep:
    likely = [(one.intent, one.confidence) for one in parsed.others]
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
        (f"{one.score:.2f}", " > ".join(one.path) or one.document, str(one.page or ""), " ".join(one.sentence.split()))
        for one in answer.found
    )
    verdict = "found" if answer.answered else "not found"
    unknown = f"; no word like {', '.join(answer.unknown[:5])}" if answer.unknown else ""
    text = f"Retrieve in {state}: {verdict}, probability of an answer {sure}, required {limit}{unknown}"
    headers = ("score", "section", "page", "sentence") if rows else ()
    return TurnStep(kind="retrieve", text=text, headers=headers, rows=rows, state=state)


def _taken(output: DialogueOutput) -> Iterator[TurnStep]:
    yield TurnStep(kind="step", text=f"Step {output.place + 1} of the table: {output.before}, {output.event}",
                   state=output.before, place=output.place)  # fmt: skip
    for label in output.does:
        yield TurnStep(kind="answer", text=f"Do: {label}", state=output.before, place=output.place)
    for answer in output.answers:
        yield TurnStep(kind="answer", text=f"Say: {answer}", state=output.before, place=output.place)
    stays = "stays in" if output.after == output.before else f"{output.before} to"
    yield TurnStep(kind="state", text=f"State: {stays} {output.after}", state=output.after, place=output.place)


def turn_lines(steps: Sequence[TurnStep]) -> Iterator[str]:
    """Yield the steps as lines of a terminal."""
    for step in steps:
        yield f"  {step.text}"
        widths = [max(len(row[column]) for row in step.rows) for column in range(len(step.headers) - 1)] + [0]
        for row in step.rows:
            yield "    " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
