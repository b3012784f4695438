"""`edgewright compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare


@declare(example="runs/activity runs/activity-2")
def command(runs: tuple[Path, ...] = argument(nargs=-1, metavar="RUN RUN...")) -> Result:
    """Compare runs (run folders): configuration, data and results.

    The first run is the reference. Accuracies come with 95 % intervals. Of runs on the same people or machines the
    gain has an interval over the groups. Runs on the same test samples without groups are compared by pairs: McNemar's
    exact test of classes, a paired bootstrap of amounts. Of others a note says whether the intervals overlap. Scores of
    different data or targets are not compared.
    """
    from edgewright.trace.compare import comparison_blocks
    from edgewright.workflows.comparison import compare_places

    record = compare_places(runs)
    return Result(record, comparison_blocks(record))
