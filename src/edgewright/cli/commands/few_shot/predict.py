"""`edgewright few-shot predict`: labels of new samples by the nearest example."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.schema.errors import DONE


@declare(example="hapt.neighbours --csv today.csv")
def command(
    *,
    index: Path = argument(metavar="INDEX"),
    csv_path: Path | None = option("--csv", metavar="FILE", help="CSV file with the package's columns."),
    pictures: Path | None = option(metavar="PATH", help="Picture, or folder or ZIP of pictures."),
) -> Stream:
    """Label the rows or windows of a CSV file, or pictures, or report 'none of these' beyond the distance limit."""
    from edgewright.cli.commands.few_shot._index import samples_of
    from edgewright.core.neighbours.index_file import read_index

    neighbours = read_index(index)
    samples, places = samples_of(neighbours.package.manifest, csv_path, pictures)
    for answer in neighbours.answers(neighbours.space().vectors(samples), places):
        near = f"too far from {answer.nearest}, the nearest: " if answer.nearest != answer.label else ""
        far = f"({near}distance {answer.distance:.3f}, limit {answer.limit:.3f})"
        yield Result(answer, [f"{answer.origin}: {answer.label}, {100 * answer.confidence:.0f} % {far}"], compact=True)
    return DONE
