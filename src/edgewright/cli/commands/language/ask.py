"""`edgewright language ask`: a question to an index of documents."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option, own_model
from edgewright.cli.interrupt import loading
from edgewright.core.errors import DONE, CheckFailedError, EdgewrightError, EncoderMissingError
from edgewright.core.formatting import bytes_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgewright.nlp.documents.search import DocumentIndex
    from edgewright.nlp.records import Answer, FoundPassage, Phrased

_plain = partial(printable, keep="\n")


@declare(example='"How do I change the batteries?" --index manual.index')
def command(
    question: str = argument(default=""),
    index: Path = option(required=True, metavar="INDEX", help="Index file from `language index`."),
    encoder: Path | None = option(metavar="DIR", help="Directory of the index's encoder, to find other wordings too."),
    like: Path | None = option(
        metavar="FILE",
        help="Search with a picture or sound, alone or with a question, in an index with vectors of its encoder.",
    ),
    unlike: Path | None = option(
        metavar="FILE|FOLDER", help="Pictures or sounds that you know already: leave them out, and what is like them."
    ),
    top: int = option(type=click.IntRange(1, 20), default=3, help="Number of passages."),
    phrase: str | None = option(
        metavar="MODEL|URL",
        help="Let a language model phrase the answer, and check it: one of your models, a .gguf file or a server.",
    ),
    model: str = option(metavar="NAME", help="Name of the model on that server, if it needs one."),
    wait: float = option(
        type=click.FloatRange(1.0, 3600.0), default=60.0, metavar="SECONDS", help="Time-out of the language model."
    ),
) -> Stream:
    """Answer a question from documents: section, page, and the sentence with the answer highlighted.

    Exits with 1 if the documents do not contain the answer, or if the language model's answer is not supported by the
    passages.
    """
    from edgewright.nlp.documents.search import DocumentIndex, check

    if like is None or question:
        check(question)
    with DocumentIndex(index) as opened:
        # Of a registered model, the one that the index was built with.
        encoder = own_model("text", encoder, name=opened.contents.encoder)
        if like is not None or unlike is not None or (opened.contents.media and encoder is not None):
            yield _nearest(opened, question, encoder, top, like=like, unlike=unlike)
            return DONE
        vector = None
        if encoder is not None:
            with loading():
                from edgewright.language.documents.index import vector_of

                vector = vector_of(opened, encoder, question)
        answer = opened.ask(question, vector, top)
        unused = bool(opened.contents.encoder) and encoder is None
    yield Result(text=_lines(answer, unused))  # before a language model takes its time
    record = {**msgspec.to_builtins(answer), "answered": answer.answered}
    for number, passage in enumerate(answer.passages):
        record["found"][number]["sentence"] = passage.sentence
    if not answer.answered:
        failure = CheckFailedError("not in this document" + _unknown(answer), do=_instead(answer, unused))
        yield Result(record, (), failure=failure)
    elif phrase is None:
        yield Result(record, ())
    else:
        yield _phrased(answer, record, phrase, model, wait)
    return DONE


def _nearest(index: DocumentIndex, question: str, directory: Path | None, top: int, **files: Path | None) -> Result:
    """Return what lies nearest; whether it shows what was asked for is not judged.

    Raises:
        InputError: an index without vectors, no encoder or another one, or a file that cannot be read.
    """
    contents = index.contents
    if not contents.encoder:
        raise EncoderMissingError(
            "an index with vectors of an encoder of pictures or sounds",
            "one of documents by words alone",
            str(index.path),
            "Build it with such an --encoder",
        )
    if directory is None:
        raise EncoderMissingError(f"the --encoder of the index, {contents.encoder!r}", "none", "--encoder")
    with loading():
        from edgewright.language.documents.index import search_media

    hits = search_media(index, directory, question=question, top=top, **files)
    note = f"nearest by {contents.encoder}; check that they show what you asked for"
    if not contents.media:
        records = [{**msgspec.to_builtins(hit), "sentence": hit.sentence} for hit in hits]
        return Result(records, [*_passages(hits), note])
    lines = [f"[{number}] {hit.score:5.2f}  {_plain(hit.path[-1])}" for number, hit in enumerate(hits, 1)]
    records = [{"file": hit.path[-1], "document": hit.document, "score": hit.score} for hit in hits]
    return Result(records, [*lines, note])


def _phrased(answer: Answer, record: dict[str, Any], url: str, model: str, wait: float) -> Result:
    """Return the record of an answer with the words of a language model; without them where it fails."""
    from edgewright.language.documents.phrasing import phraser

    try:
        with phraser(own_model("phrasing", Path(url)), url, model, wait) as by:
            phrased = by(answer)
    except EdgewrightError as error:
        return Result(record, (), failure=error)
    failure = CheckFailedError(
        "the phrased answer is refused: the passages do not support it", do="Read the passages"
    )  # fmt: skip
    return Result(
        {**record, "phrased": msgspec.to_builtins(phrased)}, _phrased_lines(phrased),
        failure=None if phrased.carried else failure,
    )  # fmt: skip


def _lines(answer: Answer, unused: bool) -> Iterator[str]:
    if not answer.answered and answer.passages:
        yield "probably not in this document; the nearest passages:\n"
    yield from _passages(answer.passages)
    if answer.passages:
        way = "words and vectors" if answer.hybrid else "words"
        hint = "; use the vectors of the index with --encoder DIR" if unused else ""
        sure, limit = (f"{100 * share:.0f} %" for share in (answer.confidence, answer.threshold))
        yield f"by {way}; probability of an answer: {sure}, required {limit}{hint}"
    if answer.answered and answer.note:
        yield answer.note


def _passages(passages: Sequence[FoundPassage]) -> Iterator[str]:
    for number, passage in enumerate(passages, 1):
        page = f", page {passage.page}" if passage.page else ""
        where = _plain(" > ".join(passage.path)) or "-"
        yield f"[{number}] {_plain(passage.document)}{page}: {where}"
        yield _marked(passage) + "\n"


def _marked(passage: FoundPassage) -> str:
    """Return the passage with its answering sentence in bold; between »« where nothing can be bold."""
    before, after = _plain(passage.text[: passage.begin]), _plain(passage.text[passage.end :])
    sentence = _plain(passage.sentence)
    marked = click.style(sentence, bold=True) if sys.stdout.isatty() else f"»{sentence}«"
    return f"{before}{marked}{after}"


def _phrased_lines(phrased: Phrased) -> Iterator[str]:
    name = _plain(phrased.model)
    if phrased.carried:
        yield f"\n{name} says: {_plain(phrased.text)}"
        yield f"rests on {', '.join(f'[{n}]' for n in phrased.citations)}; it has their words and numbers"
    else:
        yield f"\nthe answer of {name} is hidden:"
        for claim, lacking in phrased.unsupported.items():
            message = f' of "{_plain(claim)[:80]}"' if claim else ""
            yield f"  not supported{message}: {'; '.join(_plain(passage) for passage in lacking)}"
    if phrased.tokens_per_second is not None:
        ram = "" if phrased.peak_bytes is None else f"; {bytes_text(phrased.peak_bytes)} of RAM"
        yield f"{phrased.tokens} tokens, {phrased.tokens_per_second:.1f} a second{ram}"


def _unknown(answer: Answer) -> str:
    return f" (no word like {', '.join(map(_plain, answer.unknown[:5]))})" if answer.unknown else ""


def _instead(answer: Answer, unused: bool) -> str:
    """Return what may help where nothing answers."""
    if answer.passages:
        return "Rephrase the question, or read the nearest"
    return "Rephrase the question" + (", or set the encoder of the index with --encoder DIR" if unused else "")
