"""`edgewright compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import FILE
from edgewright.cli.output import print_json


@click.command("compare", epilog="Example: edgewright compare runs/activity runs/activity-2")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="RUN RUN...")
@click.option("--html", type=FILE, metavar="FILE", help="Also write a page.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(runs: tuple[Path, ...], html: Path | None, as_json: bool) -> None:
    """Compare runs (run folders): configuration, data and results.

    The first run is the reference. Accuracies come with 95 % intervals. Of runs on the same people or machines the
    gain has an interval over the groups. Runs on the same test samples without groups are compared by pairs: McNemar's
    exact test of classes, a paired bootstrap of amounts. Of others a note says whether the intervals overlap. Scores of
    different data or targets are not compared.
    """
    from edgewright.cli.lessons import show_blocks
    from edgewright.cli.listeners import Terminal
    from edgewright.trace.compare import comparison_blocks
    from edgewright.workflows.comparison.runs import compare_places

    record = compare_places(runs)
    if html is not None:
        from edgewright.trace.html import comparison_page
        from edgewright.trace.record import write_whole

        write_whole(html, comparison_page(record).encode(), "the page")
    if as_json:
        print_json(record)
        return
    show_blocks(Terminal(), comparison_blocks(record))
    if html is not None:
        click.echo(f"page {click.format_filename(html)}")
