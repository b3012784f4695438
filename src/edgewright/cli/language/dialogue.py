"""`edgewright language dialogue`: dialogues checked, drawn, and written as C."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.core.state_machine.validation import CheckedTable
    from edgewright.language.dialogue.validation import DialogueSummary

_MODEL = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model file from `language train`, whose intents and slots the dialogue may use.",
)


@click.group("dialogue", epilog="Example: edgewright language dialogue check docs/examples/vending.toml")
def command() -> None:
    """Check dialogues (state tables with intents as events), draw them and write them as C."""


@command.command("check", epilog="Example: edgewright language dialogue check vending.toml --model vending.language")
@click.argument("dialogue", type=click.Path(path_type=Path))
@_MODEL
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(dialogue: Path, model: Path | None, as_json: bool) -> None:
    """Check a DIALOGUE for dead ends, unreachable states and unanswered events."""
    from edgewright.language.dialogue.validation import model_of

    own = model_of(dialogue)
    model = model or (own if own is not None and own.is_file() else None)
    _, summary = _read(dialogue, model)
    if as_json:
        print_json(summary)
        return
    click.echo(
        f"{summary.name}: {summary.states} states, {summary.steps} steps; every state can be reached, left and answered"
    )
    click.echo(f"events: {', '.join(summary.events)}")
    click.echo(f"slots: {', '.join(summary.slots) or 'none'}")
    for finding in summary.findings:
        click.echo(f"note: {finding}")
    if model is None:
        click.echo("note: set --model to check intents and slots")


@command.command("draw", epilog="Example: edgewright language dialogue draw vending.toml --out vending.svg")
@click.argument("dialogue", type=click.Path(path_type=Path))
@click.option("--out", type=FILE, help="FILE.svg or FILE.mmd; by default Mermaid text is printed.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file.")
def draw(dialogue: Path, out: Path | None, force: bool) -> None:
    """Draw a DIALOGUE as an SVG diagram or as Mermaid text."""
    from edgewright.core.files import write_atomic
    from edgewright.language.dialogue.diagram import mermaid, svg

    if out is not None and out.suffix not in (".svg", ".mmd"):
        raise InputError("a name that ends in .svg or .mmd", out.name, "--out")
    if out is not None:
        refuse_existing(out, force)
    checked, _ = _read(dialogue, None)
    if out is None:
        click.echo(mermaid(checked.table), nl=False)
        return
    write_atomic(out, (svg if out.suffix == ".svg" else mermaid)(checked.table).encode())
    click.echo(f"wrote {out}")


@command.command("c", epilog="Example: edgewright language dialogue c vending.toml --with vending.language --out src")
@click.argument("dialogue", type=click.Path(path_type=Path))
@_MODEL
@click.option(
    "--with",
    "ears",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Also write this model's classifier and slots, and NAME_hear, which takes text and returns actions.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for NAME.h and NAME.c."
)
@click.option("--name", help="Prefix of all names in C.  [default: the dialogue's name]")
@click.option("--force", is_flag=True, help="Replace existing files, and remove older ones of this export.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def as_c(
    dialogue: Path, model: Path | None, ears: Path | None, out: Path, name: str | None, force: bool, as_json: bool
) -> None:
    """Write a DIALOGUE as C99: constant tables and a state machine without a heap."""
    from edgewright.cli.export_files import read_for_device, write_export
    from edgewright.export.c99_code.linkable import linkable
    from edgewright.export.c99_language.dialogue import dialogue_files
    from edgewright.export.c99_language.hear import hearing_files

    if model and ears:
        raise InputError("--model or --with", "both", "language dialogue c", "--with checks the dialogue, too")
    checked, _ = _read(dialogue, model or ears)
    word = name or re.sub(r"[-.]", "_", checked.table.name)
    files = dialogue_files(checked, word) if ears is None else hearing_files(checked, *read_for_device(ears), word)
    call = f"{word}_hear(&context, &machine, text, bytes, today, seconds, act, context) takes the text"
    data = {file: text.encode() for file, text in linkable(files, word).items()}
    notes = [] if ears is None else [call]
    write_export(out, data, f"dialogue {word}", {"name": word}, force=force, as_json=as_json, notes=notes)


def _read(dialogue: Path, model: Path | None) -> tuple[CheckedTable, DialogueSummary]:
    from edgewright.language.dialogue.validation import read_dialogue, vocabulary
    from edgewright.nlp.utterance.model_file import read_language

    return read_dialogue(dialogue, vocabulary(read_language(model)[0]) if model else None)
