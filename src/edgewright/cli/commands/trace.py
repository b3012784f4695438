"""`edgewright trace`: any prediction of a run, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import OptionsConflictError

_MAXIMUM = 10


@declare(example="runs/activity --row 17")
def command(
    run: Path = argument(),
    row: int | None = option(metavar="N", help="Row (or window) of the run's data, counted from 1 as on every page."),
    csv: Path | None = option(metavar="FILE", help="CSV file with the run's columns; its first ten rows are traced."),
    data: str | None = option(metavar="PATH", help="Where the run's data are now, if they moved."),
) -> Result:
    """Show how RUN (a run folder) computes an answer: input, every layer, output.

    --row 17 is the 17th row of the run's data, counted from 1; with windows, the 17th window. Rows without a label are
    not counted. A CSV file is read, and cut into windows, as `edgewright predict` does. Values outside the declared
    ranges are named.
    """
    if (row is None) == (csv is None):
        raise OptionsConflictError(
            "one of --row N and --csv FILE", "both" if row is not None else "none", "edgewright trace"
        )
    if csv is not None and data is not None:
        raise OptionsConflictError("--data with --row", "--csv", "edgewright trace")

    with loading():
        from edgewright.pipeline.explanation.explained_prediction import explain_csv, explain_row
        from edgewright.trace.sections.results import explained_blocks
        from edgewright.workflows.comparison import read_run

    folder, _ = read_run(run)
    total = 1
    if csv is not None:
        records, total = explain_csv(folder, csv, _MAXIMUM)
    else:
        records = (explain_row(folder, int(row or 0), data),)
    text: list[Any] = [block for record in records for block in explained_blocks(record)]
    if total > len(records):
        text.append(f"{len(records):,} of {total:,} are traced, the first ones of the file")
    record = {"run": records[0].run, "traced": len(records), "rows": total, "predictions": records}
    return Result(record, text)
