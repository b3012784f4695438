"""`edgewright language ask`: a question to an index of documents."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError, EdgewrightError, InputError

if TYPE_CHECKING:
    from edgewright.nlp.documents.search import DocumentIndex
    from edgewright.schema.documents import Answer, Found, Phrased


@declare("ask", epilog='Example: edgewright language ask "How do I change the batteries?" --index manual.index')
def command(
    question: str = argument(default=""),
    index: Path = option(required=True, metavar="INDEX", help="Index file from `language index`."),
    encoder: Path | None = option(metavar="DIR", help="Directory of the index's encoder, to find other wordings too."),
    like: Path | None = option(
        metavar="FILE", help="Search with a picture or sound instead of a question, in an index of such."
    ),
    top: int = option(type=click.IntRange(1, 20), default=3, help="Number of passages."),
    phrase: str | None = option(
        metavar="URL", help="Let a language model on this server phrase the answer, and check it."
    ),
    model: str = option(metavar="NAME", help="Name of the model on that server, if it needs one."),
    wait: float = option(
        type=click.FloatRange(1.0, 3600.0), default=60.0, metavar="SECONDS", help="Time-out for that server."
    ),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """Answer a question from documents: section, page, and the sentence with the answer highlighted.

    Exits with 1 if the documents do not contain the answer, or if the language model's answer is not supported by the
    passages.
    """
    from edgewright.nlp.documents.search import DocumentIndex, check

    if like is None:
        check(question)
    with DocumentIndex(index) as opened:
        if like is not None or (opened.held.media and encoder is not None):
            _nearest(opened, question, like, encoder, top, as_json)
            return
        vector = None
        if encoder is not None:
            with loading():
                from edgewright.language.documents.hybrid import vector_of

                vector = vector_of(opened, encoder, question)
        answer = opened.ask(question, vector, top)
        unused = bool(opened.held.encoder) and encoder is None
    if not as_json:
        _show(answer, unused)
    phrased = _phrased(answer, phrase, model, wait, as_json)
    if as_json:
        _print_json(answer, phrased)
    elif phrased is not None:
        _show_phrased(phrased)
    if not answer.answered:
        raise CheckFailedError("not in this document" + _unknown(answer), do=_instead(answer, unused))
    if phrased is not None and not phrased.carried:
        raise CheckFailedError("the phrased answer is refused: the passages do not support it", do="Read the passages")


def _nearest(
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
    click.echo(f"nearest by {held.encoder}; check that they show what you asked for")


def _phrased(answer: Answer, url: str | None, model: str, wait: float, as_json: bool) -> Phrased | None:
    """Only what is answered is phrased: nothing is asked of a model that has nothing to go by."""
    if url is None or not answer.answered:
        return None
    from edgewright.language.documents.phrasing import phrase

    try:
        return phrase(answer, url, model, wait)
    except EdgewrightError:
        if as_json:
            _print_json(answer, None)
        raise


def _print_json(answer: Answer, phrased: Phrased | None) -> None:

    record = {**msgspec.to_builtins(answer), "answered": answer.answered}
    for number, one in enumerate(answer.found):
        record["found"][number]["sentence"] = one.sentence
    if phrased is not None:
        record["phrased"] = msgspec.to_builtins(phrased)
    print_json(record)


def _show(answer: Answer, unused: bool) -> None:
    if not answer.answered and answer.found:
        click.echo("probably not in this document; the nearest passages:\n")
    for number, one in enumerate(answer.found, 1):
        page = f", page {one.page}" if one.page else ""
        where = _plain(" > ".join(one.path)) or "-"
        click.echo(f"[{number}] {_plain(one.document)}{page}: {where}")
        click.echo(_marked(one) + "\n")
    if answer.found:
        way = "words and vectors" if answer.hybrid else "words"
        hint = "; use the vectors of the index with --encoder DIR" if unused else ""
        sure, limit = (f"{100 * share:.0f} %" for share in (answer.confidence, answer.threshold))
        click.echo(f"by {way}; probability of an answer: {sure}, required {limit}{hint}")


def _marked(one: Found) -> str:
    """Return the passage with its answering sentence in bold; between »« where nothing can be bold."""
    before, after = _plain(one.text[: one.begin]), _plain(one.text[one.end :])
    sentence = _plain(one.sentence)
    marked = click.style(sentence, bold=True) if sys.stdout.isatty() else f"»{sentence}«"
    return f"{before}{marked}{after}"


def _show_phrased(phrased: Phrased) -> None:
    name = _plain(phrased.model)
    if phrased.carried:
        click.echo(f"\n{name} says: {_plain(phrased.text)}")
        click.echo(f"rests on {', '.join(f'[{n}]' for n in phrased.citations)}; it has their words and numbers")
        return
    click.echo(f"\nthe answer of {name} is hidden:")
    for claim, lacking in phrased.unsupported.items():
        message = f' of "{_plain(claim)[:80]}"' if claim else ""
        click.echo(f"  not supported{message}: {'; '.join(_plain(one) for one in lacking)}")


def _unknown(answer: Answer) -> str:
    return f" (no word like {', '.join(map(_plain, answer.unknown[:5]))})" if answer.unknown else ""


def _instead(answer: Answer, unused: bool) -> str:
    """Return what may help where nothing answers."""
    if answer.found:
        return "Rephrase the question, or read the nearest"
    return "Rephrase the question" + (", or set the encoder of the index with --encoder DIR" if unused else "")


def _plain(text: str) -> str:
    """Return text that cannot move the cursor or change what stands on the terminal; lines stay."""
    return "".join(c for c in text if c == "\n" or c.isprintable())
