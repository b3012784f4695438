"""`edgewright language parse`: what a sentence says, as the device understands it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.schema.errors import DONE

if TYPE_CHECKING:
    from edgewright.schema.language import Parsed

_DAY = click.DateTime(["%Y-%m-%d"])


@declare(example='"I want a soda please" --model drinks.language')
def command(
    *,
    text: str = argument(metavar="TEXT|-"),
    model: Path = option(required=True, help="Model file from `language train`."),
    today: datetime | None = option(type=_DAY, help='Reference date for "tomorrow". [default: today]'),
    encoder: Path | None = option(metavar="DIR", help="Encoder of a model that was trained with --for gateway."),
) -> Stream:
    """Parse TEXT, or the lines of standard input for -, into intent, confidence and slots.

    An utterance that matches nothing the model knows is reported as out of scope, with the reason, and gets no intent.
    """
    from edgewright.nlp.utterance.parse import Understanding

    embedding = None
    if encoder is not None:
        from edgewright.language.embedding import load

        embedding = load(encoder)
    understanding = Understanding.load(model, embedding)
    day = today.date() if today else date.today()
    lines = (line.rstrip("\n") for line in sys.stdin) if text == "-" else iter((text,))
    for number, line in enumerate(lines, 1):
        if text == "-" and not line.strip():
            continue
        where = f"line {number} of standard input" if text == "-" else "the utterance"
        parsed = understanding.parse(line, today=day, where=where)
        yield Result(parsed, _lines(parsed), compact=True)
    return DONE


def _lines(parsed: Parsed) -> Iterator[str]:
    from edgewright.schema.language import OUT_OF_SCOPE

    refused = parsed.intent == OUT_OF_SCOPE
    yield parsed.intent if refused else f"{parsed.intent}, {100 * parsed.confidence:.0f} %"
    for slot in parsed.slots:
        value = "" if slot.value is None or str(slot.value) == slot.text else f" = {slot.value}"
        yield f"  {slot.name}: {slot.text!r}{value} ({slot.by}, {slot.begin} to {slot.end})"
    yield f"  {parsed.why}"
