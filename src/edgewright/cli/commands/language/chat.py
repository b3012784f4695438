"""`edgewright language chat`: a dialogue held in the terminal, or over a pipe."""

from __future__ import annotations

import math
import select
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option, own_model
from edgewright.cli.options import open_parser
from edgewright.core.errors import DONE, DocumentIndexError, InputError, OptionMissingError
from edgewright.core.formatting import printable

if TYPE_CHECKING:
    from edgewright.core.state_machine.table import CheckedTable
    from edgewright.nlp.dialogue import Dialogue, DialogueOutput, Look


@declare(
    example="docs/examples/vending.toml --model vending.language",
    json="Print the transcript as JSON, one line per step.",
)
def command(
    *,
    dialogue: Path = argument(),
    model: Path | None = option(
        help="Model file from `language train`, instead of the dialogue's own; with --by, utterances for it."
    ),
    by: str | None = option(
        metavar="NAME|FILE.gguf", help="Let a language model parse: one of yours, or a file. Nothing is trained."
    ),
    phrase: str | None = option(
        metavar="MODEL|URL",
        help="Let a language model phrase what the dialogue looks up, where a passage supports it: one of your models, "
        "a .gguf file or a server.",
    ),
    minimum: float = option(
        "--least",
        type=click.FloatRange(0.0, 1.0),
        default=0.0,
        help="Confidence below which an utterance is out of scope.",
    ),
    steps: bool = option(help="Also print what each turn rests on: intent, slots, passages, next state."),
) -> Stream:
    """Run the DIALOGUE interactively: the model parses what you type; intents are events, slots are kept.

    `/dispense_drink drink=cola` sends an intent without the model, `/wait 30` advances the time by 30 seconds, `/quit`
    ends. On a terminal time passes by itself; in a pipe only `/wait` advances it, so that the same lines give the same
    answers. A dialogue that retrieves takes sentences without a model, too: each is a question.
    """
    from edgewright.language.dialogue.conversation import (
        Conversation,
        model_of,
        read_dialogue,
        seconds_of,
        turn_lines,
        turn_steps,
        vocabulary,
    )
    from edgewright.language.documents.phrasing import SECONDS, phrased_look, phraser
    from edgewright.nlp.documents.search import Retriever

    if by is not None and model is None:
        raise OptionMissingError("the utterances that --by takes for examples", "none", "--model")
    model = model or model_of(dialogue)
    typed = sys.stdin.isatty()
    clock = _Clock(typed)
    with ExitStack() as files:
        understanding = files.enter_context(open_parser(model, by)) if model else None
        checked, _ = read_dialogue(dialogue, vocabulary(understanding.spec) if understanding else None)
        look: Look = files.enter_context(Retriever(checked.table, dialogue.parent))
        if phrase is not None:
            if not checked.table.retrieve:
                raise DocumentIndexError("a dialogue that looks things up", "one without [retrieve.STATE]", "--phrase")
            file = own_model("phrasing", Path(phrase))
            look = phrased_look(look, files.enter_context(phraser(file, phrase, "", SECONDS)))
        conversation = Conversation(checked, look, understanding, minimum)
        talk = conversation.talk
        yield from _answers(talk.begin(0.0), "")
        while not talk.over:
            if typed:
                yield from _answers_while_waiting(talk, clock)
            line = "" if talk.over else sys.stdin.readline()
            if not line or line.strip() == "/quit":
                break
            line = line.strip()
            try:
                clock.pass_by(seconds_of(line))
                if not line:
                    continue
                _noted(checked, line)
                turn = conversation.take(line, clock.now())
            except InputError as error:
                _forgiven(error)
                continue
            if turn.problem:
                click.echo(turn.problem, err=True)
            if steps:
                lines = turn_lines(turn_steps(turn.parsed, turn.outputs))
                yield Result(text=map(printable, lines))
            yield from _answers(turn.outputs, line)
    return DONE


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


def _answers_while_waiting(talk: Dialogue, clock: _Clock) -> Iterator[Result]:
    """Yield the answers to time-outs until a line is typed or the dialogue ends."""
    while not talk.over:
        click.echo("> ", nl=False)
        wait = talk.due - clock.now()
        if select.select([sys.stdin], [], [], None if math.isinf(wait) else max(0.0, wait))[0]:
            return
        click.echo()
        yield from _answers(talk.wait(clock.now()), "")


def _answers(steps: Sequence[DialogueOutput], line: str) -> Iterator[Result]:
    for step in steps:
        spoken = {} if step.event == "timeout" else {"heard": line}
        text = [*(f"[{done}]" for done in step.does), *step.answers]
        yield Result({**spoken, **msgspec.to_builtins(step)}, text, compact=True)
