"""`edgewright curve`: what more data or a larger model is worth, before it is paid for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.window_options import window_asked, window_target

if TYPE_CHECKING:
    from edgewright.search.curves.contract import Learner

_FILE = click.Path(path_type=Path)


@click.command("curve", epilog="Example: edgewright curve readings.csv --target label --group person --out curve")
@click.argument("data")
@click.option("--target", default="", help="Column that is to be predicted.")
@click.option("--group", default="", help="Column with the person or machine of a row; subsets keep them whole.")
@click.option("--session", default="", help="Column with the session of a row.")
@click.option("--time", default="", help="Column with the time of a row.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated.")
@click.option("--kind", default="", help="Source or public set; judged by the path when left out.")
@click.option("--data", "path", metavar="PATH", help="Data of a pipeline, where DATA names one (hapt, a TOML file).")
@click.option("--window", type=click.IntRange(min=2), help="Rows in a window; single rows without.")
@click.option("--step", type=click.IntRange(min=1), help="Rows from one window to the next; half a window without.")
@window_target
@click.option("--by", type=click.Choice(["auto", "row", "block"]), default="auto", show_default=True,
              help="What folds keep whole: 'row' says that rows are independent.")  # fmt: skip
@click.option("--rung", default="small_network", show_default=True, help="Model, by its name on the ladder.")
@click.option("--utterances", is_flag=True, help="DATA are utterances with intents; a student of intents is trained.")
@click.option("--metric", default="", help="As of the ladder; chosen by the target when left out.")
@click.option("--times", type=click.FloatRange(1.0, 100.0, min_open=True), default=2.0, show_default=True,
              help="How many times the data is asked about.")  # fmt: skip
@click.option("--check", is_flag=True, help="Predict from half of the data, then measure whether it came true.")
@click.option("--against", type=_FILE, metavar="FILE", help="A curve.json of less data: did its prediction come true?")
@click.option("--parameters/--no-parameters", default=True, help="The size of the model too, where it has a width.")
@click.option("--out", type=_FILE, metavar="DIR", help="New folder for curve.json and the page curve.html.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(out: Path | None, against: Path | None, as_json: bool, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Measure the error on growing parts of DATA (a file, a folder, a pipeline) and let a power law say the next.

    The samples that judge are the same at every size; parts keep people, machines or stretches of time whole. With
    --check the prediction is made from half of the data and measured afterwards: exit code 1 where it lies outside.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        from edgewright.cli.curve_output import curve_lines, stored
        from edgewright.cli.progress import Working
        from edgewright.cli.show import Quiet
        from edgewright.cli.terminal import Terminal
        from edgewright.schema.curve import encode_curves
        from edgewright.schema.errors import CHECK_SAID_NO, DONE
        from edgewright.search.curves.measure import CurveRequest, measure, shares_of
        from edgewright.search.curves.outcomes import came_true, comparable, read_curves

    before = read_curves(against) if against is not None else None
    listener = Quiet() if as_json else Working(Terminal(stderr=True))
    with listener.doing("Reading data"):
        learner = _learner(**options)
    check = bool(options["check"])
    asked = CurveRequest(
        times=options["times"], pool=1 / max(2.0, options["times"]) if check else 1.0, check=check,
        parameters=options["parameters"] and not check,
    )  # fmt: skip
    if before is not None:
        comparable(before, learner.fingerprint, shares_of(learner, asked.pool)[-1][0] * learner.samples)
    record = measure(learner, asked, listener.doing, listener.ahead)
    later = came_true(before, record) if before is not None else None
    place = stored(out, record, later) if out is not None else None
    if as_json:
        sys.stdout.buffer.write(encode_curves(record if later is None else later))
    else:
        for line in curve_lines(record, later):
            click.echo(line)
        if place is not None:
            click.echo(f"wrote {click.format_filename(place)}")
    said = later if later is not None else record
    return CHECK_SAID_NO if said.data.broken else DONE


def _learner(**options: Any) -> Learner:  # noqa: ANN401 - click's options
    """What is trained, by the options."""
    if options["utterances"]:
        from edgewright.language.utterances import read
        from edgewright.search.curves.of_text import OfText

        found = read(Path(options["data"]))
        return OfText(Path(options["data"]).stem, found.utterances, found.validation, seed=options["seed"])
    from edgewright.search.curves.of_samples import OfSamples
    from edgewright.search.ladder.metrics import choose
    from edgewright.search.ladder.setup import problem_and_config

    named = ("target", "group", "session", "time", "kind")
    problem, config, _ = problem_and_config(
        options["data"],
        {**{name: options[name] for name in named}, "ignore": list(options["ignore"])},
        window=window_asked(options, "curve"),
        by=options["by"],
        path=options["path"],
        seed=options["seed"],
    )
    return OfSamples(problem, config, options["rung"].replace("-", "_"), choose(problem, options["metric"])[0])


COMMAND = command
