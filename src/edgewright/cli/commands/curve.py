"""`edgewright curve`: the worth of more data."""

from __future__ import annotations

from dataclasses import dataclass

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.own_data import DataOptions
from edgewright.core.errors import UnknownNameError


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


@declare(example="readings.csv --target label --group person --rung linear")
def command(options: CurveOptions) -> Result:
    """Measure a learning curve of DATA (a file, a folder, a pipeline) and extrapolate it with a power law.

    All sizes are evaluated on the same samples; subsets keep people, machines or days whole. The output also compares
    the prediction from half of the data with the measured error on all of it.
    """
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
