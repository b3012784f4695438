"""`edgewright few-shot learn`: a package and some examples to an index that answers by the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@click.command(
    "learn", epilog="Example: edgewright few-shot learn runs/hapt --examples examples/ --out hapt.neighbours"
)
@click.argument("package", metavar="RUN|PACKAGE", type=click.Path(path_type=Path))
@click.option("--examples", required=True, type=click.Path(path_type=Path), metavar="FOLDER|FILE.csv",
              help="A CSV file or folder per label (or of pictures), or a file with --label-column.")  # fmt: skip
@click.option(
    "--label-column", default="", metavar="NAME", help="Column with the labels, if the examples are in one file."
)
@click.option("--out", required=True, type=FILE, help="FILE.neighbours.")
@click.option("--space", type=click.Choice(["network", "features"]), default="network", show_default=True,
              help="Vectors to compare: the network's last hidden layer, or the features before it.")  # fmt: skip
@click.option("--most", type=click.IntRange(1, 10_000), default=100, show_default=True,
              help="Largest number of examples per label; of more, an evenly spaced subset is taken.")  # fmt: skip
@click.option(
    "--limit",
    type=click.FloatRange(0, 1000, min_open=True),
    metavar="TIMES",
    help="Distance, relative to a label's usual one, beyond which no label is given. [default: 1.5; features 1]",
)
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary of the index as JSON.")
def command(
    package: Path,
    examples: Path,
    label_column: str,
    out: Path,
    space: str,
    most: int,
    limit: float | None,
    force: bool,
    as_json: bool,
) -> None:
    """Store examples as vectors of the PACKAGE's own features; nothing is trained.

    The base install is enough. The examples also determine how far apart samples of a label may be: take them from
    several occasions and people, or give a larger --limit, since examples from a single stretch are closer together
    than later samples.
    """
    from edgewright.cli.few_shot._index import few, told
    from edgewright.cli.labelled_examples import labelled_examples
    from edgewright.core.neighbours.index_file import begin, write_index
    from edgewright.core.objects import refuse_objects
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.schema.neighbours import Space

    refuse_existing(out, force)
    path = package_path(package)
    read_package(path)
    made = begin(path.read_bytes(), str(path), cast("Space", space), limit)
    maker = made.space()
    manifest = made.package.manifest
    refuse_objects(manifest.task, f"edgewright few-shot learn {package}")
    for label, samples in labelled_examples(examples, manifest, label_column).items():
        made = made.added(label, maker.vectors(few(samples, most)))
    if len(made.spec.labels) < 2:
        raise InputError("examples of at least two labels", f"only {made.spec.labels[0]!r}", str(examples))
    told(made, out, write_index(out, made), as_json)
