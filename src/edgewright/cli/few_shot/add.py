"""`edgewright few-shot add`: a new label, or more examples of one, without training."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.options import FILE
from edgewright.schema.errors import InputError


@click.command("add", epilog="Example: edgewright few-shot add hapt.neighbours --csv cycling.csv --label cycling")
@click.argument("index", metavar="INDEX", type=click.Path(path_type=Path))
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE",
              help="Rows of the new examples, all with one label.")  # fmt: skip
@click.option("--pictures", type=click.Path(path_type=Path), metavar="PATH",
              help="Picture of the label, or folder or ZIP of pictures.")  # fmt: skip
@click.option("--label", required=True, metavar="NAME", help="A new label, or one that the index has.")
@click.option("--most", type=click.IntRange(1, 10_000), default=100, show_default=True,
              help="Largest number of examples; of more, an evenly spaced subset is taken.")  # fmt: skip
@click.option("--out", type=FILE, help="New file. [default: INDEX itself]")
@click.option("--json", "as_json", is_flag=True, help="Print a summary of the index as JSON.")
def command(
    index: Path, csv_path: Path | None, pictures: Path | None, label: str, most: int, out: Path | None, as_json: bool
) -> None:
    """Add examples of one label to INDEX, which is replaced once the new one is complete.

    The base install is enough.
    """
    from edgewright.cli.few_shot._index import few, samples_of, told
    from edgewright.core.neighbours.index_file import read_index, write_index

    if out is not None and out.exists():
        raise InputError("a new file", "an existing one", str(out), "Omit --out to add to INDEX itself")
    held = read_index(index)
    samples, _ = samples_of(held.package.manifest, csv_path, pictures)
    made = held.added(label, held.space().vectors(few(samples, most)))
    told(made, out or index, write_index(out or index, made), as_json)
