"""`edgewright language chat`: a dialogue held in the terminal, or over a pipe."""

from __future__ import annotations

import math
import select
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.core.state_machine.validation import CheckedTable
    from edgewright.nlp.dialogue import Dialogue, DialogueOutput
    from edgewright.nlp.utterance.parse import Understanding
    from edgewright.schema.language import Parsed

_EXAMPLE = "Example: edgewright language chat docs/examples/vending.toml --model vending.language"


@click.command("chat", epilog=_EXAMPLE)
@click.argument("dialogue", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path),
              help="Model file from `language train`, instead of the dialogue's own.")  # fmt: skip
@click.option("--least", type=click.FloatRange(0.0, 1.0), default=0.0, show_default=True,
              help="Confidence below which an utterance is out of scope.")  # fmt: skip
@click.option("--steps", is_flag=True, help="Also print what each turn rests on: intent, slots, passages, next state.")
@click.option("--json", "as_json", is_flag=True, help="Print the transcript as JSON, one line per step.")
def command(dialogue: Path, model: Path | None, least: float, steps: bool, as_json: bool) -> None:
    """Run the DIALOGUE interactively: the model parses what you type; intents are events, slots are kept.

    `/dispense_drink drink=cola` sends an intent without the model, `/wait 30` advances the time by 30 seconds, `/quit`
    ends. On a terminal time passes by itself; in a pipe only `/wait` advances it, so that the same lines give the same
    answers. A dialogue that retrieves takes sentences without a model, too: each is a question.
    """
    from edgewright.language.dialogue.validation import model_of, read_dialogue, vocabulary
    from edgewright.nlp.dialogue import Dialogue
    from edgewright.nlp.documents.retrieval import Retriever
    from edgewright.nlp.utterance.parse import Understanding

    model = model or model_of(dialogue)
    understanding = Understanding.load(model) if model else None
    checked, _ = read_dialogue(dialogue, vocabulary(understanding.spec) if understanding else None)
    with Retriever(checked.table, dialogue.parent) as look:
        talk = Dialogue(checked, look)
        _tell(talk.begin(0.0), "", as_json)
        for line, now in _lines(talk, as_json):
            _noted(checked, line)
            try:
                parsed, outputs = _answer(talk, line, now, understanding, least)
                if steps and not as_json:
                    _show_steps(parsed, outputs)
                _tell(outputs, line, as_json)
            except InputError as error:
                _forgiven(error)
            if talk.over:
                break


def _show_steps(parsed: Parsed | None, outputs: list[DialogueOutput]) -> None:
    from edgewright.language.dialogue.turn import turn_lines, turn_steps

    for line in turn_lines(turn_steps(parsed, outputs)):
        click.echo("".join(c for c in line if c.isprintable()))


def _forgiven(error: InputError) -> None:
    """Print a person's mistake and go on; over a pipe, raise it, so that no later line means something else."""
    if not sys.stdin.isatty():
        raise error
    click.echo(str(error), err=True)


def _noted(checked: CheckedTable, line: str) -> None:
    """Say that an intent was given that no step waits for: `*` takes it."""
    event = line[1:].split(None, 1)[0] if line[1:].strip() else ""
    if line.startswith("/") and event not in (*checked.events, "wait", "timeout", "late", "out_of_scope", ""):
        click.echo(f"note: no step of the dialogue handles {event!r}", err=True)


class _Clock:
    """Seconds of the conversation: by themselves in a terminal, by `/wait` alone over a pipe."""

    def __init__(self, runs: bool) -> None:
        self._runs, self._began, self._more = runs, time.monotonic(), 0.0

    def now(self) -> float:
        return self._more + (time.monotonic() - self._began if self._runs else 0.0)

    def pass_by(self, seconds: float) -> None:
        self._more += seconds


def _lines(talk: Dialogue, as_json: bool) -> Iterator[tuple[str, float]]:
    """Yield what is typed, with its seconds; in a terminal, time-outs are told as they come."""
    typed = sys.stdin.isatty()
    clock = _Clock(typed)
    while not talk.over:
        if typed and not _typed(talk, clock, as_json):
            return
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            return
        line = line.strip()
        if line.startswith("/wait"):
            try:
                clock.pass_by(_seconds(line))
            except InputError as error:
                _forgiven(error)
                continue
        if line:
            yield line, clock.now()


def _typed(talk: Dialogue, clock: _Clock, as_json: bool) -> bool:
    """Wait for a line; False when the dialogue ended in the meantime."""
    while not talk.over:
        click.echo("> ", nl=False)
        wait = talk.due - clock.now()
        if select.select([sys.stdin], [], [], None if math.isinf(wait) else max(0.0, wait))[0]:
            return True
        click.echo()
        _tell(talk.wait(clock.now()), "", as_json)
    return False


def _seconds(line: str) -> float:
    try:
        seconds = float(line.removeprefix("/wait"))
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= 1e9:
        raise InputError("seconds from 0 to 1e9", repr(line), "/wait SECONDS")
    return seconds


def _answer(
    talk: Dialogue, line: str, now: float, understanding: Understanding | None, minimum: float
) -> tuple[Parsed | None, list[DialogueOutput]]:
    """Return what was understood of a sentence, None for a command, and what the dialogue did."""
    from edgewright.schema.language import OUT_OF_SCOPE, Parsed

    if line.startswith("/wait"):
        return None, talk.wait(now)
    if line.startswith("/"):
        event, slots = _given(line)
        return None, talk.event(event, slots, now)
    if understanding is None and talk.table.retrieve:
        parsed = Parsed(text=line, intent=OUT_OF_SCOPE, confidence=0.0, score=0.0)
        return parsed, talk.hear(parsed, now)
    if understanding is None:
        raise InputError("an intent such as /yes or /dispense_drink drink=cola", repr(line), "language chat",
                         "Set --model to parse sentences")  # fmt: skip
    try:
        parsed = understanding.parse(line)
    except InputError as error:
        # A sentence that cannot be read ends no conversation.
        click.echo(str(error), err=True)
        return None, talk.event("out_of_scope", {"confidence": 0.0}, now)
    if not parsed.confidence >= minimum:
        parsed = msgspec.structs.replace(parsed, intent=OUT_OF_SCOPE, slots=())
    return parsed, talk.hear(parsed, now)


def _given(line: str) -> tuple[str, dict[str, float | str]]:
    """`/dispense_drink drink=cola number=2`."""
    from edgewright.schema.state_table import LATE, TIMEOUT

    try:
        first, *rest = shlex.split(line[1:])
        slots = dict(part.split("=", 1) for part in rest)
        if "" in slots:
            raise ValueError
    except ValueError:
        raise InputError("/INTENT SLOT=VALUE ...", repr(line), "language chat") from None
    if first in (TIMEOUT, LATE):
        raise InputError("an intent", repr(line), "language chat", "/wait SECONDS lets time pass")
    found: dict[str, float | str] = {}
    for name, value in slots.items():
        try:
            number = float(value)
            found[name] = number if math.isfinite(number) else value
        except ValueError:
            found[name] = value
    return first, found


def _tell(steps: list[DialogueOutput], line: str, as_json: bool) -> None:

    for step in steps:
        if as_json:
            heard = {} if step.event == "timeout" else {"heard": line}
            click.echo(msgspec.json.encode({**heard, **msgspec.to_builtins(step)}))
            continue
        for done in step.does:
            click.echo(f"[{done}]")
        for answer in step.answers:
            click.echo(answer)
    if not as_json:
        sys.stdout.flush()
