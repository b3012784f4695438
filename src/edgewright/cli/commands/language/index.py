"""`edgewright language index`: documents to an index that answers questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import InputError


@declare(example="manual.pdf notes.md --out manual.index")
def command(
    documents: tuple[Path, ...] = argument(metavar="DOCUMENT...", nargs=-1),
    out: Path = option(required=True, metavar="INDEX", help="Index file to write."),
    encoder: Path | None = option(
        metavar="DIR", help="Directory of a sentence encoder, whose vectors find other wordings."
    ),
    pictures: Path | None = option(
        metavar="DIR", help="Index the pictures in this folder instead, with an encoder of pictures."
    ),
    sounds: Path | None = option(
        metavar="DIR", help="Index the WAV files in this folder instead, with an encoder of sounds."
    ),
    force: bool = option(help="Replace an existing index."),
) -> Result:
    """Build a search index of documents (.pdf, .md, .html, .txt) for `language ask`.

    Searching needs only the base install, also on a small board; vectors of an encoder are optional. Pictures and
    sounds need an ONNX encoder, such as an export of CLIP with its text_model.onnx.
    """
    refuse_existing(out, force)
    if sum((bool(documents), pictures is not None, sounds is not None)) != 1:
        raise InputError("documents, --pictures or --sounds", "none" if not documents else "more than one of them")
    folder = pictures or sounds
    if folder is not None:
        if encoder is None:
            raise InputError("an --encoder of pictures or sounds", "none", "--encoder")
        with loading():
            from edgewright.language.documents.media_encoder import MediaEncoder
            from edgewright.language.documents.media_index import write_media_index

            kind, maker = "picture" if pictures else "sound", MediaEncoder(encoder)
            if maker.kind != kind:
                raise InputError(f"an encoder of {kind}s", f"one of {maker.kind}s", str(encoder))
            index = write_media_index(out, folder, maker)
    else:
        with loading():
            from edgewright.language.documents.index import write_index
            from edgewright.language.documents.readers import DocumentFile

            loaded = None
            if encoder is not None:
                from edgewright.language.embedding import load

                loaded = load(encoder)
        index = write_index(out, [DocumentFile(path) for path in documents], loaded)

    def text() -> Iterator[str]:
        for document in index.documents:
            pages = f", {document.pages} pages" if document.pages else ""
            yield f"{document.name}: {document.kind}{pages}"
            for note in document.notes:
                yield f"  note: {note}"
        vectors = f", vectors of {index.encoder}" if index.encoder else ""
        size = bytes_text(out.stat().st_size)
        content = (
            f"{index.passages} {index.media}s"
            if index.media
            else f"{index.passages} passages, {index.sentences} sentences"
        )
        yield f"{content}{vectors}: {click.format_filename(out)}, {size}"

    return Result(index, text())
