"""`edgewright language parse`: what a sentence says, as the device understands it."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from edgewright.schema.language import Parsed


@click.command("parse", epilog='Example: edgewright language parse "I want a soda please" --model drinks.language')
@click.argument("text", metavar="TEXT|-")
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model file from `language train`.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help='Reference date for "tomorrow". [default: today]')
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Encoder of a model that was trained with --for gateway.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, one line per sentence.")
def command(text: str, model: Path, today: datetime | None, encoder: Path | None, as_json: bool) -> None:
    """Parse TEXT, or the lines of standard input for -, into intent, confidence and slots.

    An utterance that matches nothing the model knows is reported as out of scope, with the reason, and gets no intent.
    """
    from edgewright.nlp.utterance.parse import Understanding

    held = None
    if encoder is not None:
        from edgewright.language.embedding import load

        held = load(encoder)
    understanding = Understanding.load(model, held)
    day = today.date() if today else date.today()
    lines = (line.rstrip("\n") for line in sys.stdin) if text == "-" else iter((text,))
    for number, line in enumerate(lines, 1):
        if text == "-" and not line.strip():
            continue
        where = f"line {number} of standard input" if text == "-" else "the utterance"
        found = understanding.parse(line, today=day, where=where)
        if as_json:
            click.echo(msgspec.json.encode(found))
        else:
            _print(found)


def _print(found: Parsed) -> None:
    from edgewright.schema.language import OUT_OF_SCOPE

    refused = found.intent == OUT_OF_SCOPE
    click.echo(found.intent if refused else f"{found.intent}, {100 * found.confidence:.0f} %")
    for slot in found.slots:
        value = "" if slot.value is None or str(slot.value) == slot.text else f" = {slot.value}"
        click.echo(f"  {slot.name}: {slot.text!r}{value} ({slot.by}, {slot.begin} to {slot.end})")
    click.echo(f"  {found.why}")
