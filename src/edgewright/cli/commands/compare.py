"""`edgewright compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE


@declare(example="runs/activity runs/activity-2")
def command(
    runs: tuple[Path, ...] = argument(nargs=-1, metavar="RUN RUN..."),
    html: Path | None = option(type=FILE, metavar="FILE", help="Also write a page."),
) -> Result:
    """Compare runs (run folders): configuration, data and results.

    The first run is the reference. Accuracies come with 95 % intervals. Of runs on the same people or machines the
    gain has an interval over the groups. Runs on the same test samples without groups are compared by pairs: McNemar's
    exact test of classes, a paired bootstrap of amounts. Of others a note says whether the intervals overlap. Scores of
    different data or targets are not compared.
    """
    from edgewright.trace.compare import comparison_blocks
    from edgewright.workflows.comparison import compare_places

    record = compare_places(runs)
    if html is not None:
        from edgewright.core.files import write_atomic
        from edgewright.trace.html import comparison_page

        write_atomic(html, comparison_page(record).encode())
    pages = [f"page {click.format_filename(html)}"] if html is not None else []
    return Result(record, [*comparison_blocks(record), *pages])
