"""Parse intents and slots, and answer questions from documents, on small devices and offline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import (
    Result,
    Stream,
    argument,
    declare,
    option,
    own_model,
)
from edgewright.cli.interrupt import loading
from edgewright.cli.options import open_parser, refuse_existing
from edgewright.core.errors import DONE, EncoderMissingError, OptionsConflictError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from edgewright.nlp.records import Parsed

EXAMPLE = 'parse "I want a soda please" --model drinks.language'


@declare(example='"I want a soda please" --model drinks.language')
def parse(
    *,
    text: str = argument(metavar="TEXT|-"),
    model: Path = option(required=True, help="Model file from `language train`; with --by, utterances for it."),
    encoder: Path | None = option(metavar="DIR", help="Encoder of a model that was trained with --for gateway."),
    by: str | None = option(
        metavar="NAME|FILE.gguf", help="Let a language model parse: one of yours, or a file. Nothing is trained."
    ),
) -> Stream:
    """Parse TEXT, or the lines of standard input for -, into intent, confidence and slots.

    An utterance that matches nothing the model knows is reported as out of scope, with the reason, and gets no intent.
    A language model sees examples of the utterances and can answer nothing but an intent of theirs, or none, and slots
    in words of TEXT.
    """
    with open_parser(model, by, encoder) as understanding:
        lines = (line.rstrip("\n") for line in sys.stdin) if text == "-" else iter((text,))
        for number, line in enumerate(lines, 1):
            if text == "-" and not line.strip():
                continue
            where = f"line {number} of standard input" if text == "-" else "the utterance"
            parsed = understanding.parse(line, today=date.today(), where=where)
            yield Result(parsed, _lines(parsed), compact=True)
    return DONE


def _lines(parsed: Parsed) -> Iterator[str]:
    from edgewright.nlp.records import OUT_OF_SCOPE

    refused = parsed.intent == OUT_OF_SCOPE
    yield parsed.intent if refused else f"{parsed.intent}, {100 * parsed.confidence:.0f} %"
    for slot in parsed.slots:
        value = "" if slot.value is None or str(slot.value) == slot.text else f" = {slot.value}"
        yield f"  {slot.name}: {slot.text!r}{value} ({slot.by}, {slot.begin} to {slot.end})"
    yield f"  {parsed.why}"


@declare(example="all-MiniLM-L6-v2 --out minilm-int8")
def shrink(
    *,
    encoder: Path = argument(metavar="DIR"),
    out: Path = option(required=True, help="New directory."),
) -> Result:
    """Write the sentence encoder of DIR with int8 weights, for use with --teacher and --encoder.

    Reports how close its vectors are to those of the original encoder, on a few sentences.
    """
    with loading():
        from edgewright.language.embedding import load
        from edgewright.language.embedding.load import write_int8

    whole = load(encoder)
    size = write_int8(encoder, out)
    texts = [f"{start} the {thing}" for start in ("turn on", "where is", "how do I clean", "I would like to buy")
             for thing in ("light", "battery", "red car", "soup of the day", "heater upstairs")]  # fmt: skip
    near = (whole.encode(texts) * load(out).encode(texts)).sum(axis=1)
    record = {"directory": str(out), "bytes": size, "from_bytes": whole.bytes, "cosine_mean": float(near.mean()),
            "cosine_least": float(near.min())}  # fmt: skip
    return Result(
        record,
        [
            f"wrote {click.format_filename(str(out))}, {size / 1e6:.1f} MB of {whole.bytes / 1e6:.1f}",
            f"  cosine to the whole encoder {near.mean():.3f}, at least {near.min():.3f}, on {len(texts)} sentences",
        ],
    )


@declare(example="manual.pdf notes.md --out manual.index")
def index(
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
        raise OptionsConflictError(
            "documents, --pictures or --sounds", "none" if not documents else "more than one of them"
        )
    folder = pictures or sounds
    encoder = own_model("text" if folder is None else "picture" if pictures else "sound", encoder)
    if folder is not None:
        if encoder is None:
            raise EncoderMissingError("an --encoder of pictures or sounds", "none", "--encoder",
                             "Pass the directory of one, or register it: edgewright models add DIR")  # fmt: skip
        with loading():
            from edgewright.language.documents.index import MediaEncoder, write_media_index

            kind, maker = "picture" if pictures else "sound", MediaEncoder(encoder)
            if maker.kind != kind:
                raise EncoderMissingError(f"an encoder of {kind}s", f"one of {maker.kind}s", str(encoder))
            index = write_media_index(out, folder, maker)
    else:
        with loading():
            from edgewright.language.documents.document_file import DocumentFile
            from edgewright.language.documents.index import write_index

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
