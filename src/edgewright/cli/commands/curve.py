"""`edgewright curve`: what more data or a larger model is worth, before it is paid for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, own_language_model
from edgewright.cli.interrupt import loading
from edgewright.cli.options import ProblemOptions
from edgewright.cli.text import plain, table, wrote
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import CHECK_SAID_NO, DONE, InputError

if TYPE_CHECKING:
    from edgewright.schema.trace import Interval
    from edgewright.search.curves.measure import Learner


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ProblemOptions):
    """Options of the command."""

    data: str = argument()
    rung: str = option(default="small_network", help="Name of the model on the ladder.")
    utterances: bool = option(help="DATA are utterances with intents; train an intent classifier.")
    texts: bool = option(help="DATA are texts; train a model of text, --rung ngram or gru.")
    text: Path | None = option(
        metavar="FILE", help="DATA is a language model (.gguf, or one of yours): its perplexity on this text by bits."
    )
    times: float = option(
        type=click.FloatRange(1.0, 100.0, min_open=True), default=2.0, help="Extrapolate to this many times the data."
    )
    check: bool = option(help="Predict from half of the data, then measure and compare.")
    against: Path | None = option(metavar="FILE", help="A curve.json of less data, to compare its prediction with.")
    out: Path | None = option(metavar="DIR", help="New folder for curve.json and the page curve.html.")


@declare(example="readings.csv --target label --group person --out curve", spreads=True)
def command(options: CurveOptions) -> Result:
    """Measure a learning curve of DATA (a file, a folder, a pipeline) and extrapolate it with a power law.

    All sizes are evaluated on the same samples; parts keep people, machines or stretches of time whole. With --check,
    half of the data predicts the error on all of it, which is then measured: exits with 1 if it lies outside the
    predicted interval.

    With --text, DATA is a language model. Smaller forms are made of it (8, 5 and 4 bits a weight), and each is measured
    on the text: perplexity with its interval, tokens a second, memory. The choice is the smallest file whose perplexity
    is at most 2 % above that of the file as given, by the upper end of the interval.
    """
    if options.text is not None:
        return _language_model(options, options.text)
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.search.curves.measure import (
            CurveRequest,
            comparable,
            compare_with_prediction,
            measure,
            read_curves,
            shares_of,
        )
        from edgewright.search.curves.page import curve_blocks, stored

    before = read_curves(options.against) if options.against is not None else None
    listener = working(stderr=True)
    with listener.doing("Reading data"):
        learner = _learner(options)
    request = CurveRequest(
        times=options.times, pool=1 / max(2.0, options.times) if options.check else 1.0, check=options.check,
        parameters=not options.check,
    )  # fmt: skip
    if before is not None:
        comparable(before, learner.fingerprint, shares_of(learner, request.pool)[-1][0] * learner.samples)
    record = measure(learner, request, listener.doing, listener.ahead)
    later = compare_with_prediction(before, record) if before is not None else None
    files = [wrote(stored(options.out, record, later))] if options.out is not None else []
    code = CHECK_SAID_NO if (later or record).data.broken else DONE
    return Result(later or record, [*curve_blocks(record, later), *files], code)


def _language_model(options: CurveOptions, text: Path) -> Result:
    """Return the perplexity of a language model against its bits."""
    for name in ("utterances", "texts", "check", "against", "out"):
        if getattr(options, name):
            raise InputError("--text alone", f"--{name}", "--text")
    model = own_language_model(options.data, "DATA")
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.data.files import read_utf8
        from edgewright.language.language_models.perplexity import measure_sizes
        from edgewright.language.own_models.language_model import read_header

    read_header(model)
    curve = measure_sizes(model, read_utf8(text, "a text"), str(text), working(stderr=True).doing)
    rows = [
        (
            size.name, f"{size.bits_per_weight:.2f}", bytes_text(size.bytes), _interval(size.perplexity, 3),
            _interval(size.ratio, 4), _speed(size.prompt_tokens_per_second), _speed(size.tokens_per_second),
            "" if size.peak_bytes is None else bytes_text(size.peak_bytes),
        )
        for size in curve.sizes
    ]  # fmt: skip
    heads = ("size", "bits", "file", "perplexity (95 %)", "to as given (95 %)", "reads/s", "writes/s", "RAM")
    lines = [
        f"{plain(curve.model)} on {plain(curve.text)}: {curve.tokens:,} tokens in {curve.chunks} chunks",
        *table(heads, rows, frozenset(range(1, len(heads)))),
        f"chosen: {curve.chosen}, the smallest at most {100 * curve.within:.0f} % above the file as given",
    ]
    return Result(curve, lines)


def _interval(interval: Interval, digits: int) -> str:
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _speed(per_second: float | None) -> str:
    return "" if per_second is None else f"{per_second:.1f}"


def _learner(options: CurveOptions) -> Learner:
    """Return what is trained."""
    if options.utterances:
        from edgewright.language.utterances import read
        from edgewright.search.curves.language_learners import IntentLearner

        path = Path(options.data)
        corpus = read(path)
        return IntentLearner(path.stem, corpus.utterances, corpus.validation, seed=options.seed)
    if options.texts:
        from edgewright.language.texts.corpus import read_corpus
        from edgewright.search.curves.language_learners import TextLearner

        path = Path(options.data)
        rung = "ngram" if options.rung == "small_network" else options.rung
        return TextLearner(path.stem, read_corpus(path), rung, seed=options.seed)
    from edgewright.race.metrics import choose
    from edgewright.search.curves.rung_learner import RungLearner
    from edgewright.search.ladder.setup import problem_and_config

    problem, config, _ = problem_and_config(
        options.data,
        options.table(),
        window=options.windows("curve"),
        by=options.by,
        path=options.path,
        seed=options.seed,
    )
    return RungLearner(problem, config, options.rung.replace("-", "_"), choose(problem, options.metric)[0])
