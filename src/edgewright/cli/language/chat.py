"""`edgewright language chat`: a dialogue held in the terminal, or over a pipe."""

from __future__ import annotations

import math
import select
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.core.state_machine.validation import CheckedTable
    from edgewright.language.dialogue.conversation import Turn
    from edgewright.nlp.dialogue import Dialogue, DialogueOutput

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
    from edgewright.language.dialogue.conversation import Conversation
    from edgewright.language.dialogue.validation import model_of, read_dialogue, vocabulary
    from edgewright.nlp.documents.retrieval import Retriever
    from edgewright.nlp.utterance.parse import Understanding

    model = model or model_of(dialogue)
    understanding = Understanding.load(model) if model else None
    checked, _ = read_dialogue(dialogue, vocabulary(understanding.spec) if understanding else None)
    with Retriever(checked.table, dialogue.parent) as look:
        conversation = Conversation(checked, look, understanding, least)
        talk = conversation.talk
        _tell(talk.begin(0.0), "", as_json)
        for line, now in _lines(talk, as_json):
            _noted(checked, line)
            try:
                turn = conversation.take(line, now)
                if turn.problem:
                    click.echo(turn.problem, err=True)
                if steps and not as_json:
                    _show_steps(turn)
                _tell(turn.outputs, line, as_json)
            except InputError as error:
                _forgiven(error)
            if talk.over:
                break


def _show_steps(turn: Turn) -> None:
    from edgewright.language.dialogue.turn import turn_lines, turn_steps

    for line in turn_lines(turn_steps(turn.parsed, turn.outputs)):
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
    from edgewright.language.dialogue.conversation import seconds_of

    typed = sys.stdin.isatty()
    clock = _Clock(typed)
    while not talk.over:
        if typed and not _typed(talk, clock, as_json):
            return
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            return
        line = line.strip()
        try:
            clock.pass_by(seconds_of(line))
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


def _tell(steps: Sequence[DialogueOutput], line: str, as_json: bool) -> None:

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
