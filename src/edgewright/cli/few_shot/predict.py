"""`edgewright few-shot predict`: labels of new samples by the nearest example."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec


@click.command("predict", epilog="Example: edgewright few-shot predict hapt.neighbours --csv today.csv")
@click.argument("index", metavar="INDEX", type=click.Path(path_type=Path))
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE",
              help="CSV file with the package's columns.")  # fmt: skip
@click.option("--pictures", type=click.Path(path_type=Path), metavar="PATH",
              help="Picture, or folder or ZIP of pictures.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, one per answer.")
def command(index: Path, csv_path: Path | None, pictures: Path | None, as_json: bool) -> None:
    """Label the rows or windows of a CSV file, or pictures, or report 'none of these' beyond the distance limit."""
    from edgewright.cli.few_shot._index import samples_of
    from edgewright.core.neighbours.index_file import read_index

    held = read_index(index)
    samples, places = samples_of(held.package.manifest, csv_path, pictures)
    for one in held.answers(held.space().vectors(samples), places):
        if as_json:
            click.echo(msgspec.json.encode(one).decode())
            continue
        near = f"too far from {one.nearest}, the nearest: " if one.nearest != one.label else ""
        far = f"({near}distance {one.distance:.3f}, limit {one.limit:.3f})"
        click.echo(f"{one.place}: {one.label}, {100 * one.confidence:.0f} % {far}")
