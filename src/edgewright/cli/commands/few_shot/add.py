"""`edgewright few-shot add`: a new label, or more examples of one, without training."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE
from edgewright.schema.errors import InputError


@declare(example="hapt.neighbours --csv cycling.csv --label cycling")
def command(
    *,
    index: Path = argument(metavar="INDEX"),
    csv_path: Path | None = option("--csv", metavar="FILE", help="Rows of the new examples, all with one label."),
    pictures: Path | None = option(metavar="PATH", help="Picture of the label, or folder or ZIP of pictures."),
    label: str = option(required=True, metavar="NAME", help="A new label, or one that the index has."),
    maximum: int = option(
        "--most",
        type=click.IntRange(1, 10_000),
        default=100,
        help="Largest number of examples; of more, an evenly spaced subset is taken.",
    ),
    out: Path | None = option(type=FILE, help="New file. [default: INDEX itself]"),
) -> Result:
    """Add examples of one label to INDEX, which is replaced once the new one is complete.

    The base install is enough.
    """
    from edgewright.cli.commands.few_shot._index import few, report, samples_of
    from edgewright.core.neighbours.index_file import read_index, write_index

    if out is not None and out.exists():
        raise InputError("a new file", "an existing one", str(out), "Omit --out to add to INDEX itself")
    neighbours = read_index(index)
    samples, _ = samples_of(neighbours.package.manifest, csv_path, pictures)
    grown = neighbours.added(label, neighbours.space().vectors(few(samples, maximum)))
    return report(grown, out or index, write_index(out or index, grown))
