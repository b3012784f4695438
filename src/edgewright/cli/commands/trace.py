"""`edgewright trace`: any prediction of a run, layer by layer."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import FILE
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError


@click.command("trace", epilog="Example: edgewright trace runs/activity --row 17 --html row17.html")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--row", type=int, metavar="N", help="Row (or window) of the run's data, counted from 1 as on every page."
)
@click.option("--csv", type=click.Path(path_type=Path), metavar="FILE", help="CSV file with the run's columns.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Largest number of rows of the file to trace.",
)
@click.option("--data", metavar="PATH", help="Where the run's data are now, if they moved.")
@click.option("--html", type=FILE, metavar="FILE", help="Also write a page.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def command(
    run: Path, row: int | None, csv: Path | None, most: int, data: str | None, html: Path | None, as_json: bool
) -> None:
    """Show how RUN (a run folder) computes an answer: input, every layer, output.

    --row 17 is the 17th row of the run's data, counted from 1; with windows, the 17th window. Rows without a label are
    not counted. A CSV file is read, and cut into windows, as `edgewright predict` does. Values outside the declared
    ranges are named.
    """
    if (row is None) == (csv is None):
        raise InputError("one of --row N and --csv FILE", "both" if row is not None else "none", "edgewright trace")
    if csv is not None and data is not None:
        raise InputError("--data with --row", "--csv", "edgewright trace")

    with loading():
        from edgewright.cli.listeners import Terminal
        from edgewright.pipeline.explained_prediction import explain_csv, explain_row
        from edgewright.trace.blocks_terminal import blocks_parts
        from edgewright.trace.page import page_of, print_parts
        from edgewright.trace.sections.prediction import explained_blocks
        from edgewright.workflows.comparison.runs import read_run

    folder, _ = read_run(run)
    total = 1
    if csv is not None:
        records, total = explain_csv(folder, csv, most)
    else:
        records = (explain_row(folder, int(row or 0), data),)
    more = f"{len(records):,} of {total:,} are traced; trace more with --most" if total > len(records) else ""
    if html is not None:
        from edgewright.trace.html import explained_page
        from edgewright.trace.record import write_whole

        write_whole(html, explained_page(records, f"Predictions of {records[0].run}").encode(), "the page")
    if as_json:
        made = {"run": records[0].run, "traced": len(records), "rows": total, "predictions": records}
        print_json(made)
        return
    console = Terminal()
    blocks = [block for record in records for block in explained_blocks(record)]
    print_parts(blocks_parts(blocks, page_of(console)), console)
    if more:
        click.echo(more)
    if html is not None:
        click.echo(f"page {click.format_filename(html)}")
