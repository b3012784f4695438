"""`edgewright ladder`: how simple a model may be, measured from the bottom."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command_line import command_line
from edgewright.cli.window_options import window_asked, window_target

if TYPE_CHECKING:
    from edgewright.search.ladder.measurement import Ladder

CHOSEN = "chosen"


@click.command("ladder", epilog="Example: edgewright ladder readings.csv --target occupied --time date")
@click.argument("data")
@click.option("--target", default="", help="Column that is to be predicted.")
@click.option("--group", default="", help="Column with the person or machine of a row; folds keep them whole.")
@click.option("--session", default="", help="Column with the session of a row.")
@click.option("--time", default="", help="Column with the time of a row; folds keep days or blocks whole.")
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is no measurement; may be repeated.")
@click.option("--kind", default="", help="Source or public set; judged by the path when left out.")
@click.option("--data", "path", metavar="PATH", help="Data of a pipeline, where DATA names one (hapt, a TOML file).")
@click.option("--window", type=click.IntRange(min=2), help="Rows in a window; single rows without.")
@click.option("--step", type=click.IntRange(min=1), help="Rows from one window to the next; half a window without.")
@window_target
@click.option("--leave-out", default="", metavar="A,B", help="Groups that no rung sees: a run reports on them.")
@click.option("--by", type=click.Choice(["auto", "row", "block"]), default="auto", show_default=True,
              help="What folds keep whole: 'row' says that rows are independent.")  # fmt: skip
@click.option("--task", type=click.Choice(["auto", "classification", "regression"]), default="auto", show_default=True)
@click.option("--metric", default="", help="accuracy, balanced-accuracy, macro-f1, average-precision, mae, rmse.")
@click.option("--device", default="cortex-m4", show_default=True, metavar="PROFILE", help="Where it is to run.")
@click.option("--patience", type=click.IntRange(min=0), default=5, show_default=True,
              help="Rungs in a row without a sure gain after one was climbed; 0 tries all.")  # fmt: skip
@click.option("--run", "rung", default="", metavar="RUNG", help="Make a run of this rung, or of the 'chosen' one.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of runs.")
@click.option("--force", is_flag=True, help="Replace the run folder of that name instead of making the next number.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def command(rung: str, out: Path, force: bool, as_json: bool, **options: Any) -> int:  # noqa: ANN401 - click's options
    """Climb from the majority to a large network on DATA (a file, a folder, a pipeline) while that surely pays.

    Each rung is cross-validated by group, or by blocks of time; its gain over the rung that stands has an interval that
    is corrected for the number of looks, and it is climbed only where that excludes zero. With few people an exact test
    stands beside it, and the lowest rung within a standard error of the best is chosen. With --run RUNG only that rung
    is judged, fitted on all samples and packaged; --run chosen measures all first.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        import edgewright.search.ladder.measurement  # noqa: F401
        from edgewright.cli.ladder_output import ladder_lines
        from edgewright.schema.errors import DONE, INTERRUPTED
        from edgewright.schema.ladder import encode_ladder

    ladder, left = _ladder(as_json, **options)
    record = None
    if rung in ("", CHOSEN):
        record = ladder.climb()
        if as_json:
            sys.stdout.buffer.write(encode_ladder(record))
            sys.stdout.buffer.flush()
        else:
            for name in left:
                click.echo(f"left out, it never changes or has no value: {name}")
            for line in ladder_lines(record):
                click.echo(line)
            if record.chosen and not rung and not record.interrupted:
                click.echo(f"make a run of it: {command_line(rung=record.chosen)}")
        if record.interrupted:
            return INTERRUPTED
        if not rung:
            return DONE
        rung = record.chosen
    _run(ladder, rung, out, force, as_json, record)
    return DONE


def _ladder(as_json: bool, **options: Any) -> tuple[Ladder, tuple[str, ...]]:  # noqa: ANN401 - click's options
    """The ladder that the options ask for, and the columns that say nothing."""
    from edgewright.cli.progress import Working
    from edgewright.cli.show import Quiet
    from edgewright.cli.terminal import Terminal
    from edgewright.search.ladder.measurement import Ladder, LadderRequest
    from edgewright.search.ladder.setup import problem_and_config

    named = ("target", "group", "session", "time", "kind")
    listener = Quiet() if as_json else Working(Terminal(stderr=True))
    with listener.doing("Reading data"):
        problem, config, left = problem_and_config(
            options["data"],
            {**{name: options[name] for name in named}, "ignore": list(options["ignore"])},
            window=window_asked(options, "ladder"),
            held=tuple(name.strip() for name in options["leave_out"].split(",") if name.strip()),
            task=options["task"],
            profile=options["device"],
            by=options["by"],
            path=options["path"],
            seed=options["seed"],
        )
    asked = LadderRequest(metric=options["metric"], patience=options["patience"])
    return Ladder(problem, config, asked, listener.doing, ahead=listener.ahead), left


def _run(ladder: Ladder, rung: str, out: Path, force: bool, as_json: bool, record: Any) -> None:  # noqa: ANN401
    """The run of a rung, with its trace on the terminal."""
    from edgewright.cli.show import Quiet, Shown
    from edgewright.cli.terminal import Terminal
    from edgewright.schema.errors import CheckFailedError
    from edgewright.search.ladder.rung_run import run_rung

    listener = Quiet() if as_json else Shown(Terminal())
    said = command_line(rung=rung, as_json=False)
    result = run_rung(ladder, rung, out=out, force=force, listener=listener, command=said, record=record)
    if result.refused:
        raise CheckFailedError(result.refused, do=f"See {click.format_filename(result.folder)}")


COMMAND = command
