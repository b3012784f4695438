"""`edgewright language index`: documents to an index that answers questions."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("index", epilog="Example: edgewright language index manual.pdf notes.md --out manual.index")
@click.argument("documents", metavar="DOCUMENT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="INDEX", help="File of the index.")
@click.option("--encoder", type=click.Path(path_type=Path), metavar="DIR",
              help="Directory of a sentence encoder: its vectors find what is said in other words.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an index that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what the index holds as JSON.")
def command(documents: tuple[Path, ...], out: Path, encoder: Path | None, force: bool, as_json: bool) -> None:
    """Read documents (.pdf, .md, .html, .txt) and write one file that `language ask` searches.

    It is searched with the base install alone, on a small board too; vectors of an encoder are optional.
    """
    from edgewright.cli.device._store import amount, print_json
    from edgewright.cli.interrupt import loading
    from edgewright.schema.errors import InputError

    if out.exists() and not force:
        raise InputError("a new file", "one that is there", str(out), "Use --force to replace it")
    with loading():
        from edgewright.language.documents.index import write_index
        from edgewright.language.documents.readers import DocumentFile

        loaded = None
        if encoder is not None:
            from edgewright.language.embedding import load

            loaded = load(encoder)
    held = write_index(out, [DocumentFile(path) for path in documents], loaded)
    if as_json:
        print_json(held)
        return
    for document in held.documents:
        pages = f", {document.pages} pages" if document.pages else ""
        click.echo(f"{document.name}: {document.kind}{pages}")
        for note in document.notes:
            click.echo(f"  note: {note}")
    vectors = f", vectors of {held.encoder}" if held.encoder else ""
    size = amount(out.stat().st_size)
    click.echo(f"{held.passages} passages, {held.sentences} sentences{vectors}: {click.format_filename(out)}, {size}")


COMMAND = command
