"""`edgewright ladder`: how simple a model may be, measured from the bottom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import ProblemOptions, command_line, listed
from edgewright.schema.errors import DONE, INTERRUPTED

if TYPE_CHECKING:
    from edgewright.search.ladder.measurement import Ladder

CHOSEN = "chosen"


@dataclass(frozen=True, kw_only=True)
class LadderOptions(ProblemOptions):
    """Options of the command."""

    data: str = argument()
    leave_out: str = option(metavar="A,B", help="Groups to exclude from all rungs, for a later run to report on.")
    task: str = option(type=click.Choice(["auto", "classification", "regression"]), default="auto")
    device: str = option(metavar="PROFILE", default="cortex-m4", help="Device that the model runs on.")
    patience: int = option(
        type=click.IntRange(min=0),
        default=5,
        help="Rungs in a row without a significant gain before it stops; 0 tries all.",
    )
    rung: str = option("--run", metavar="RUNG", help="Make a run of this rung, or of the 'chosen' one.")
    out: Path = option(default=Path("runs"), help="Folder for runs.")
    force: bool = option(help="Replace the run folder instead of using the next free number.")


@declare(example="readings.csv --target occupied --time date", spreads=True)
def command(options: LadderOptions) -> Stream:
    """Compare models on DATA (a file, a folder, a pipeline), from the majority class to a large network.

    Each rung is cross-validated by group, or by blocks of time. The gain of a rung over the best so far has a
    confidence interval, corrected for the number of comparisons; the rung is climbed only if the interval excludes
    zero. With few groups, an exact test is added, and the lowest rung within one standard error of the best is chosen.
    With --run RUNG, only that rung is evaluated, fitted on all samples and packaged; --run chosen compares all first.
    """
    with loading():
        import edgewright.search.ladder.measurement  # noqa: F401
        from edgewright.cli.listeners import refusal, shown
        from edgewright.search.ladder.document import ladder_blocks
        from edgewright.search.ladder.measurement import run_rung

    ladder, left = _ladder(options)
    record, rung = None, options.rung
    if rung in ("", CHOSEN):
        record = ladder.climb()
        lines: list[Any] = [*(f"left out (constant or empty): {name}" for name in left), *ladder_blocks(record)]
        if record.chosen and not rung and not record.interrupted:
            lines.append(f"create a run from it: {command_line(rung=record.chosen)}")
        yield Result(record, lines)
        if record.interrupted:
            return INTERRUPTED
        if not rung:
            return DONE
        rung = record.chosen
    line = command_line(rung=rung, as_json=False)
    listener = shown()
    result = run_rung(
        ladder, rung, out=options.out, force=options.force, listener=listener, command=line, record=record
    )
    yield Result(failure=refusal(result.refused, result.folder))
    return DONE


def _ladder(options: LadderOptions) -> tuple[Ladder, tuple[str, ...]]:
    """Return the ladder that the options ask for, and the columns that say nothing."""
    from edgewright.cli.listeners import working
    from edgewright.search.ladder.measurement import Ladder
    from edgewright.search.ladder.setup import problem_and_config

    listener = working(stderr=True)
    with listener.doing("Reading data"):
        problem, config, left = problem_and_config(
            options.data,
            options.table(),
            window=options.windows("ladder"),
            held_out=listed(options.leave_out),
            task=options.task,
            profile=options.device,
            by=options.by,
            path=options.path,
            seed=options.seed,
        )
    ladder = Ladder(problem, config, listener.doing, listener.ahead, metric=options.metric, patience=options.patience)
    return ladder, left
