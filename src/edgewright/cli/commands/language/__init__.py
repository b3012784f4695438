"""Parse intents and slots, and answer questions from documents, on small devices and offline."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import (
    Result,
    Stream,
    argument,
    declare,
    option,
    own_model,
    wants_json,
)
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing
from edgewright.cli.parsers import open_parser
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import DONE, InputError

if TYPE_CHECKING:
    from edgewright.schema.language import Parsed

EXAMPLE = 'parse "I want a soda please" --model drinks.language'


@declare(example="manuals/ --out typing.text --size 40kB")
def train_text(
    texts: Path = argument(metavar="TEXTS"),
    out: Path = option(required=True, help="Model file to write."),
    size: str = option(default="40kB", help="Largest size of the model's arrays in bytes."),
    form: str = option(
        type=click.Choice(["best", "ngram", "gru"]),
        default="best",
        help="n-grams with back-off, a GRU, or the better of both on validation articles.",
    ),
    steps: int = option(type=click.IntRange(10, 100_000), default=1500, help="Steps of the GRU's optimiser."),
    words: int = option(type=click.IntRange(0, 10_000), default=150, help="Words typed to count saved keystrokes."),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Train a model of what follows a text on TEXTS, a file or a folder (.md, .html, .pdf, .txt, .json).

    A fifth of the articles judges, a tenth chooses. The output compares the model with n-grams without a limit and with
    a list of frequent words, in bits per byte and in keystrokes saved by three suggestions.
    """
    refuse_existing(out, force)
    with loading():
        from edgewright.language.intents.network import size_of
        from edgewright.language.texts.corpus import read_corpus
        from edgewright.language.texts.training import KINDS, TextTraining, train_text
        from edgewright.language.training import name_of
        from edgewright.nlp.texts.model_file import write_text_model

    articles = read_corpus(texts)
    kinds = KINDS if form == "best" else (form,)
    how = TextTraining(size_of(size), kinds, steps, words, seed)
    model = train_text(articles, how, name_of(out), (lambda text: None) if wants_json() else click.echo)
    length = write_text_model(out, model.spec, model.arrays)
    rows = [
        {"model": row.name, "bytes": row.bytes, "bits_per_byte": msgspec.to_builtins(row.bits),
         **({"keystrokes_saved": row.saved.share, "next_word": row.saved.next_word} if row.saved else {})}
        for row in model.results
    ]  # fmt: skip

    def text() -> Iterator[str]:
        yield f"{'':<24}{'bytes':>10}{'bits/byte (95 %)':>25}{'keystrokes saved':>18}{'next word':>11}"
        for row in model.results:
            bits = "" if row.bits is None else f"{row.bits.value:.3f} ({row.bits.low:.3f} to {row.bits.high:.3f})"
            saved = (f"{row.saved.share:.1%}", f"{row.saved.next_word:.1%}") if row.saved else ("", "")
            yield f"{row.name:<24}{row.bytes:>10,}{bits:>25}{saved[0]:>18}{saved[1]:>11}"
        yield f"wrote {click.format_filename(out)}, the {model.spec.kind}, {length:,} bytes"

    return Result({"file": str(out), "file_bytes": length, **model.spec.trained, "judged": rows}, text())


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
    from edgewright.schema.language import OUT_OF_SCOPE

    refused = parsed.intent == OUT_OF_SCOPE
    yield parsed.intent if refused else f"{parsed.intent}, {100 * parsed.confidence:.0f} %"
    for slot in parsed.slots:
        value = "" if slot.value is None or str(slot.value) == slot.text else f" = {slot.value}"
        yield f"  {slot.name}: {slot.text!r}{value} ({slot.by}, {slot.begin} to {slot.end})"
    yield f"  {parsed.why}"


_LONGEST = 10_000


@declare(example='"Press the " --model typing.text')
def suggest(
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
        raise InputError("documents, --pictures or --sounds", "none" if not documents else "more than one of them")
    folder = pictures or sounds
    encoder = own_model("text" if folder is None else "picture" if pictures else "sound", encoder)
    if folder is not None:
        if encoder is None:
            raise InputError("an --encoder of pictures or sounds", "none", "--encoder",
                             "Pass the directory of one, or register it: edgewright models add DIR")  # fmt: skip
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
