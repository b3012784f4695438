"""`edgewright language train-text`: a folder of texts to a small model that suggests words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing


@declare(example="manuals/ --out typing.text --size 40kB")
def command(
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
