"""`edgewright curve`: the value of more data, or of more bits per weight of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option, own_language_model
from edgewright.cli.interrupt import loading
from edgewright.cli.own_data import DataOptions
from edgewright.cli.text import plain, table
from edgewright.core.errors import UnknownNameError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from edgewright.core.records.trace_flow import Interval


@dataclass(frozen=True, kw_only=True)
class CurveOptions(DataOptions):
    """Options of the command."""

    data: str = argument()
    path: str | None = option("--data", metavar="PATH", help="Data of the pipeline that DATA names.")
    rung: str = option(default="small_network", help="Name of the model, as a race names it.")
    metric: str = option(help="accuracy, balanced-accuracy, macro-f1, average-precision, mae, rmse.")
    seed: int = option(type=click.IntRange(min=0), default=0, help="Random seed.")
    times: float = option(
        type=click.FloatRange(1.0, 100.0, min_open=True), default=2.0, help="Extrapolate to this many times the data."
    )
    text: Path | None = option(
        metavar="FILE", help="DATA is a language model (.gguf or registered): its perplexity on this text by size."
    )


@declare(example="readings.csv --target label --group person --rung linear")
def command(options: CurveOptions) -> Result:
    """Measure a learning curve of DATA (a file, a folder, a pipeline) and extrapolate it with a power law.

    All sizes are evaluated on the same samples; subsets keep people, machines or days whole. The output also compares
    the prediction from half of the data with the measured error on all of it.

    With --text, DATA is a language model. The command quantises it to 8, 5 and 4 bits per weight and measures each size
    on the text: perplexity with its interval, tokens per second, memory. It recommends the smallest file whose
    perplexity is at most 2 % above that of the file as given, by the upper end of the interval.
    """
    if options.text is not None:
        return _measure_language_model(options.data, options.text)
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.race.curve import curve_blocks, fits_of, measure_curve
        from edgewright.race.heats import choose
        from edgewright.workflows.own_data.proposal import subject_of

    listener = working(stderr=True)
    with listener.doing("Reading data"):
        subject = subject_of(options.data_request(options.data), options.path)
    name = options.rung.replace("-", "_")
    by_name = {entrant.name: entrant for entrant in subject.entrants}
    if name not in by_name:
        raise UnknownNameError("rung", name, by_name, "--rung")
    metric, _ = choose(subject.problem, options.metric)
    with listener.doing("Training on subsets of the data", fits_of(subject.problem)) as advance:
        record = measure_curve(
            subject.problem, by_name[name], metric, seed=options.seed, times=options.times, advance=advance
        )
    return Result(record, curve_blocks(record))


def _measure_language_model(model_name: str, text: Path) -> Result:
    model = own_language_model(model_name, "DATA")
    with loading():
        from edgewright.cli.listeners import working
        from edgewright.data.contract import read_utf8
        from edgewright.language.language_models.perplexity import measure_sizes
        from edgewright.language.own_models.kinds import read_header

    read_header(model)
    curve = measure_sizes(model, read_utf8(text, "a text"), str(text), working(stderr=True).doing)
    rows = [
        (
            size.name, f"{size.bits_per_weight:.2f}", bytes_text(size.bytes), _interval_text(size.perplexity, 3),
            _interval_text(size.ratio, 4), _speed_text(size.prompt_tokens_per_second),
            _speed_text(size.tokens_per_second), "" if size.peak_bytes is None else bytes_text(size.peak_bytes),
        )
        for size in curve.sizes
    ]  # fmt: skip
    heads = ("size", "bits", "file", "perplexity (95 %)", "relative (95 %)", "reads/s", "writes/s", "RAM")
    lines = [
        f"{plain(curve.model)} on {plain(curve.text)}: {curve.tokens:,} tokens in {curve.chunks} chunks",
        *table(heads, rows, frozenset(range(1, len(heads)))),
        f"recommended: {curve.chosen}, the smallest at most {100 * curve.max_loss:.0f} % above the file as given",
    ]
    return Result(curve, lines)


def _interval_text(interval: Interval, digits: int) -> str:
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _speed_text(per_second: float | None) -> str:
    return "" if per_second is None else f"{per_second:.1f}"
