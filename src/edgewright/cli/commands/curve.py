"""`edgewright curve`: what more data or a larger model is worth, before it is paid for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import ProblemOptions
from edgewright.cli.text import wrote
from edgewright.schema.errors import CHECK_SAID_NO, DONE

if TYPE_CHECKING:
    from edgewright.search.curves.measure import Learner


@dataclass(frozen=True, kw_only=True)
class CurveOptions(ProblemOptions):
    """Options of the command."""

    data: str = argument()
    rung: str = option(default="small_network", help="Name of the model on the ladder.")
    utterances: bool = option(help="DATA are utterances with intents; train an intent classifier.")
    texts: bool = option(help="DATA are texts; train a model of text, --rung ngram or gru.")
    times: float = option(
        type=click.FloatRange(1.0, 100.0, min_open=True), default=2.0, help="Extrapolate to this many times the data."
    )
    check: bool = option(help="Predict from half of the data, then measure and compare.")
    against: Path | None = option(metavar="FILE", help="A curve.json of less data, to compare its prediction with.")
    parameters: bool = option(
        "--parameters/--no-parameters", default=True, help="Also vary the size of the model, if it has a width."
    )
    out: Path | None = option(metavar="DIR", help="New folder for curve.json and the page curve.html.")


@declare(example="readings.csv --target label --group person --out curve")
def command(options: CurveOptions) -> Result:
    """Measure a learning curve of DATA (a file, a folder, a pipeline) and extrapolate it with a power law.

    All sizes are evaluated on the same samples; parts keep people, machines or stretches of time whole. With --check,
    half of the data predicts the error on all of it, which is then measured: exits with 1 if it lies outside the
    predicted interval.
    """
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
        parameters=options.parameters and not options.check,
    )  # fmt: skip
    if before is not None:
        comparable(before, learner.fingerprint, shares_of(learner, request.pool)[-1][0] * learner.samples)
    record = measure(learner, request, listener.doing, listener.ahead)
    later = compare_with_prediction(before, record) if before is not None else None
    files = [wrote(stored(options.out, record, later))] if options.out is not None else []
    code = CHECK_SAID_NO if (later or record).data.broken else DONE
    return Result(later or record, [*curve_blocks(record, later), *files], code)


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
