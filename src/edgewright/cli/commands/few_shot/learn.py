"""`edgewright few-shot learn`: a package and some examples to an index that answers by the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE, refuse_existing
from edgewright.schema.errors import InputError


@declare(example="runs/hapt --examples examples/ --out hapt.neighbours")
def command(
    *,
    package: Path = argument(metavar="RUN|PACKAGE"),
    examples: Path = option(
        required=True,
        metavar="FOLDER|FILE.csv",
        help="A CSV file or folder per label (or of pictures), or a file with --label-column.",
    ),
    label_column: str = option(metavar="NAME", help="Column with the labels, if the examples are in one file."),
    out: Path = option(required=True, type=FILE, help="FILE.neighbours."),
    space: str = option(
        type=click.Choice(["network", "features"]),
        default="network",
        help="Vectors to compare: the network's last hidden layer, or the features before it.",
    ),
    maximum: int = option(
        "--most",
        type=click.IntRange(1, 10_000),
        default=100,
        help="Largest number of examples per label; of more, an evenly spaced subset is taken.",
    ),
    limit: float | None = option(
        type=click.FloatRange(0, 1000, min_open=True),
        metavar="TIMES",
        help="Distance, relative to a label's usual one, beyond which no label is given. [default: 1.5; features 1]",
    ),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Store examples as vectors of the PACKAGE's own features; nothing is trained.

    The base install is enough. The examples also determine how far apart samples of a label may be: take them from
    several occasions and people, or give a larger --limit, since examples from a single stretch are closer together
    than later samples.
    """
    from edgewright.cli.commands.few_shot._index import few, report
    from edgewright.cli.labelled_examples import labelled_examples
    from edgewright.core.neighbours.index_file import begin, write_index
    from edgewright.core.package import read_package
    from edgewright.core.prediction.objects import refuse_objects
    from edgewright.core.predictor import package_path
    from edgewright.schema.package import Space

    refuse_existing(out, force)
    path = package_path(package)
    read_package(path)
    neighbours = begin(path.read_bytes(), str(path), cast("Space", space), limit)
    maker = neighbours.space()
    manifest = neighbours.package.manifest
    refuse_objects(manifest.task, f"edgewright few-shot learn {package}")
    for label, samples in labelled_examples(examples, manifest, label_column).items():
        neighbours = neighbours.added(label, maker.vectors(few(samples, maximum)))
    if len(neighbours.spec.labels) < 2:
        raise InputError("examples of at least two labels", f"only {neighbours.spec.labels[0]!r}", str(examples))
    return report(neighbours, out, write_index(out, neighbours))
