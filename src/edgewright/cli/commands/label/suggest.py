"""`edgewright label suggest`: a label project from data, and suggestions for what nobody labelled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, print_ahead
from edgewright.cli.commands.label._options import ENCODER, encoder_of, plain
from edgewright.cli.interrupt import loading
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.language.labelling.project import Project
    from edgewright.language.labelling.suggestion_round import Round


@declare(example="calls.csv --out calls.labelling --class 'refund=money back' --encoder DIR")
def command(
    data: Path = argument(),
    out: Path | None = option(metavar="PROJECT", help="New label project, if DATA is not one."),
    classes: tuple[str, ...] = option(
        "--class", metavar="NAME[=LINE]", help="A class with a one-line description; may be repeated."
    ),
    encoder: Path | None = ENCODER,
    by: str = option(metavar="NAME", help="Suggester; an unknown name lists all. [default: automatic]"),
    minimum: float = option(
        "--least", type=click.FloatRange(0.0, 1.0), default=0.7, help="Lowest confidence; items below it stay empty."
    ),
    count: int = option(
        "--next", type=click.IntRange(1, 500), default=20, help="Number of items to select for labelling."
    ),
    text: str = option(help="Column with the texts."),
    target: str = option(help="Column with existing labels."),
    window: int | None = option(type=click.IntRange(2), help="Rows in a window of recordings."),
    rows: bool = option(help="Treat each row of the recordings as an item."),
    kind: str = option(help="Kind of source or public set of the recordings; detected from the path by default."),
    group: str = option(help="Column with the person or machine of a row."),
    session: str = option(help="Column with the session of a row."),
    time: str = option(help="Column with the time of a row."),
    ignore: tuple[str, ...] = option(metavar="COLUMN", help="Column that is not a measurement; may be repeated."),
    rate: float | None = option(type=click.FloatRange(0.0, min_open=True), help="Samples a second."),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
) -> Result:
    """Suggest labels for DATA (texts, recordings, pictures: --out creates the project) or for a label project.

    Suggestions come from one-line descriptions of the classes (with an encoder), or from the labels that people gave so
    far; uncertain items stay empty. Then it selects what to label next: uncertain items that differ from each other.
    """
    with loading():
        from edgewright.language.labelling.items import changed, make, read_items
        from edgewright.language.labelling.project import Project
        from edgewright.language.labelling.suggestion_round import suggest

    named = dict(_named(class_text) for class_text in classes)
    path = data
    if out is not None:
        if out.exists():
            raise InputError("a new file", "an existing one", str(out), f"Continue it with: label suggest {out}")
        table: dict[str, object] = {"kind": kind, "group": group, "session": session, "time": time, "rate": rate,
                                    "ignore": list(ignore)}  # fmt: skip
        items = read_items(data, text=text, target=target, window=window or 0, rows=rows, table=table)
        if items.understood:
            click.echo(items.understood, err=True)
        make(out, data, items, named)
        path = out
    try:
        with Project(path) as project:
            for name, line in named.items():
                project.add_class(name, line)
            used = encoder_of(project, encoder)
            suggestions = suggest(
                project, encoder=used, by=by, minimum=minimum, count=count, seed=seed, ahead=print_ahead
            )
            note = changed(project)
    except BaseException:
        # Nobody has labelled anything in it yet, and the same command is to work once it is corrected.
        if out is not None:
            out.unlink(missing_ok=True)
        raise
    with Project(path) as project:
        record = {"project": str(project.path), **msgspec.to_builtins(suggestions), "note": note}
        return Result(record, [*_lines(project, suggestions, note)])


def _named(option: str) -> tuple[str, str]:
    name, _, line = option.partition("=")
    return name.strip(), line.strip()


def _lines(project: Project, suggestions: Round, note: str) -> Iterator[str]:
    name = click.format_filename(str(project.path))
    yield f"{name}: {suggestions.items:,} items ({project.kind}), {suggestions.labelled:,} labelled by people"
    if not suggestions.suggester:
        yield "  no suggestions yet: label some items, or describe classes (--class NAME=LINE --encoder DIR)"
    else:
        sure = (
            f"fitted on {suggestions.labelled:,} labels"
            if suggestions.fitted
            else "not calibrated yet: use them only for ranking"
        )
        yield (
            f"  {suggestions.suggester}: {suggestions.suggested:,} suggested, {suggestions.unsure:,} left empty; "
            f"confidences are {sure}"
        )
        if suggestions.right >= 0:
            yield f"  agrees with {100 * suggestions.right:.1f} % of held-out human labels where it is confident"
    if suggestions.absent:
        names = plain(", ".join(suggestions.absent), 200)
        yield f"  {names} have no labels, so such items get another label or none"
    yield f"  next: {suggestions.queued:,} items; edgewright label review {name}"
    if suggestions.suggested:
        yield f"  before training: edgewright label audit {name}"
    if note:
        yield f"  note: {note}"
