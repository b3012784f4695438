"""Pictures and sounds that lie nearest to a text or to another file, for `language ask`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.nlp.documents.search import DocumentIndex


def nearest(
    index: DocumentIndex, question: str, like: Path | None, directory: Path | None, top: int, as_json: bool
) -> None:
    """Print what lies nearest; whether it shows what was asked for is not judged.

    Raises:
        InputError: an index of documents, no encoder or another one, or a file that cannot be read.
    """
    held = index.held
    if not held.media:
        raise InputError("an index of pictures or sounds", "one of documents", str(index.path))
    if directory is None:
        raise InputError(f"the --encoder of the index, {held.encoder!r}", "none", "--encoder")
    if like is not None and question:
        raise InputError("a question or --like", "both", "--like")
    with loading():
        from edgewright.language.documents.media_encoder import MediaEncoder

        encoder = MediaEncoder(directory)
    if (encoder.name, encoder.dimensions, encoder.kind) != (held.encoder, held.dimensions, held.media):
        got = f"{encoder.name!r} of {encoder.kind}s"
        raise InputError(f"the index's encoder, {held.encoder!r} of {held.media}s", got, str(directory))
    vector = encoder.encode([question])[0] if like is None else encoder.encode_file(like)
    found = index.nearest(vector, top)
    if as_json:
        print_json([{"file": one.path[-1], "document": one.document, "score": one.score} for one in found])
        return
    for number, one in enumerate(found, 1):
        name = "".join(c for c in one.path[-1] if c.isprintable())
        click.echo(f"[{number}] {one.score:5.2f}  {name}")
    click.echo(f"the nearest by {held.encoder}; whether they show what was asked for is not judged")
