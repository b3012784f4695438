"""Check dialogues (state tables with intents as events), draw them and write them as C."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE, FOLDER, refuse_existing
from edgewright.cli.text import wrote
from edgewright.core.errors import FileEndingError, OptionsConflictError

if TYPE_CHECKING:
    from edgewright.core.state_machine.table import CheckedTable
    from edgewright.language.dialogue.conversation import DialogueSummary

EXAMPLE = "check docs/examples/vending.toml"

_MODEL: Any = option(help="Model file from `language train`, whose intents and slots the dialogue may use.")


@declare(example="vending.toml --model vending.language")
def check(dialogue: Path = argument(), model: Path | None = _MODEL) -> Result:
    """Check a DIALOGUE for dead ends, unreachable states and unanswered events."""
    from edgewright.language.dialogue.conversation import model_of

    own = model_of(dialogue)
    model = model or (own if own is not None and own.is_file() else None)
    _, summary = _read(dialogue, model)
    lines = [
        f"{summary.name}: {summary.states} states, {summary.steps} steps; "
        "every state can be reached, left and answered",
        f"events: {', '.join(summary.events)}",
        f"slots: {', '.join(summary.slots) or 'none'}",
        *(f"note: {finding}" for finding in summary.findings),
    ]
    return Result(summary, lines if model else [*lines, "note: set --model to check intents and slots"])


@declare(example="vending.toml --out vending.svg")
def draw(
    dialogue: Path = argument(),
    out: Path | None = option(type=FILE, help="FILE.svg or FILE.mmd; by default Mermaid text is printed."),
    force: bool = option(help="Replace the file."),
) -> str:
    """Draw a DIALOGUE as an SVG diagram or as Mermaid text."""
    from edgewright.core.files import write_atomic
    from edgewright.language.dialogue.diagram import mermaid, svg

    if out is not None and out.suffix not in (".svg", ".mmd"):
        raise FileEndingError("a name that ends in .svg or .mmd", out.name, "--out")
    if out is not None:
        refuse_existing(out, force)
    checked, _ = _read(dialogue, None)
    if out is None:
        return mermaid(checked.table).rstrip("\n")
    write_atomic(out, (svg if out.suffix == ".svg" else mermaid)(checked.table).encode())
    return wrote(out)


@declare(
    example="vending.toml --with vending.language --out src",
    name="c",
    json="Print what was written as JSON.",
)
def as_c(
    dialogue: Path = argument(),
    model: Path | None = _MODEL,
    ears: Path | None = option(
        "--with",
        metavar="MODEL",
        help="Also write this model's classifier and slots, and NAME_hear, which takes text and returns actions.",
    ),
    out: Path = option(required=True, type=FOLDER, help="Folder for NAME.h and NAME.c."),
    name: str = option(help="Prefix of all names in C.  [default: the dialogue's name]"),
    force: bool = option(help="Replace existing files, and remove older ones of this export."),
) -> Result:
    """Write a DIALOGUE as C99: constant tables and a state machine without a heap."""
    from edgewright.cli.export_files import OutOptions, read_for_device, write_export
    from edgewright.export.c99_code.linkable import linkable
    from edgewright.export.c99_language.dialogue import dialogue_files, hearing_files

    if model and ears:
        raise OptionsConflictError(
            "--model or --with", "both", "language dialogue c", "--with checks the dialogue, too"
        )
    checked, _ = _read(dialogue, model or ears)
    word = name or re.sub(r"[-.]", "_", checked.table.name)
    files = dialogue_files(checked, word) if ears is None else hearing_files(checked, *read_for_device(ears), word)
    call = f"{word}_hear(&context, &machine, text, bytes, today, seconds, act, context) takes the text"
    data = {file: text.encode() for file, text in linkable(files, word).items()}
    notes = [] if ears is None else [call]
    options = OutOptions(name=name, out=out, force=force)
    return write_export(options, data, f"dialogue {word}", {"name": word}, notes=notes)


def _read(dialogue: Path, model: Path | None) -> tuple[CheckedTable, DialogueSummary]:
    from edgewright.language.dialogue.conversation import read_dialogue, vocabulary
    from edgewright.nlp.utterance.parse import read_language

    return read_dialogue(dialogue, vocabulary(read_language(model)[0]) if model else None)
