"""`edgewright language suggest`: words that complete what is typed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.schema.errors import DONE, InputError

_LONGEST = 10_000


@declare(example='"Press the " --model typing.text')
def command(
    text: str = argument(default=""),
    model: Path = option(required=True, metavar="MODEL", help="Model file from `language train-text`."),
    top: int = option(type=click.IntRange(1, 10), default=3, help="Number of words."),
) -> Stream:
    """Suggest words that complete TEXT, or follow it where it ends in a space.

    Without TEXT each line of the input is completed, as it comes.
    """
    from edgewright.nlp.texts.model_file import read_text_model
    from edgewright.nlp.texts.suggest import suggest

    _, opened = read_text_model(model)
    for line in [text] if text else (line.rstrip("\n") for line in sys.stdin):
        if len(line) > _LONGEST:
            raise InputError(f"a text of at most {_LONGEST} characters", str(len(line)), "the text")
        words = suggest(opened, line, top)
        shown = "  ".join(f"{word.word} ({word.chance:.0%})" for word in words) or "no word"
        yield Result([word._asdict() for word in words], [shown])
    return DONE
