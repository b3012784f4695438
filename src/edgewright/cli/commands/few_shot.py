"""Classify by the nearest of a few examples, on a package's features; add labels on the device without training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.cli.options import FILE, refuse_existing
from edgewright.cli.text import wrote
from edgewright.core.errors import DONE, ExistingFileError, OptionsConflictError, TooFewClassesError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgewright.core.neighbours import Neighbours
    from edgewright.core.records.package import Manifest

EXAMPLE = "learn runs/activity --examples examples/ --out activity.neighbours"


_MAXIMUM = 100


def few(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most a hundred of the samples, at even distances."""
    import numpy as np

    if len(samples) <= _MAXIMUM:
        return samples
    return np.take(samples, np.linspace(0, len(samples) - 1, _MAXIMUM).round().astype(int), axis=0)


def samples_of(
    manifest: Manifest, csv_path: Path | None, pictures: Path | None
) -> tuple[NDArray[np.float32], list[str]]:
    """Return samples of a package from a CSV file or from pictures, and where each is from.

    Raises:
        InputError: none or both are given, or one that cannot be read.
    """
    from edgewright.core.neighbours import read_samples

    if pictures is not None and csv_path is None:
        from edgewright.data.picture_samples import read_pictures

        return read_pictures(pictures, manifest)
    if csv_path is None or pictures is not None:
        raise OptionsConflictError(
            "one of --csv FILE or --pictures PATH", "none" if pictures is None else "both", "few-shot"
        )
    return read_samples(csv_path, manifest)


def report(neighbours: Neighbours, path: Path, size: int) -> Result:
    """Return what an index holds."""
    counts = {label: neighbours.count(label) for label in neighbours.spec.labels}
    record = {"file": str(path), "bytes": size, "space": neighbours.spec.space, "examples": counts}
    return Result(record, _lines(neighbours, counts, path, size))


def _lines(neighbours: Neighbours, counts: dict[str, int], path: Path, size: int) -> Iterator[str]:
    for label, count in counts.items():
        yield f"{label}: {count} example{'s' if count > 1 else ''}"
    if min(counts.values()) < 2:
        yield (
            "note: one example does not show how far apart samples of a label are; other labels provide the distance"
        )
    numbers = f"{neighbours.vectors.shape[1]} numbers of the {neighbours.spec.space} each"
    yield f"{wrote(path)}, {bytes_text(size)}; {numbers}"


@declare(example="runs/hapt --examples examples/ --out hapt.neighbours")
def learn(
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
    limit: float | None = option(
        type=click.FloatRange(0, 1000, min_open=True),
        metavar="TIMES",
        help="Distance, relative to a label's usual one, beyond which no label is given. [default: 1.5; features 1]",
    ),
    force: bool = option(help="Replace the file."),
) -> Result:
    """Store examples, at most 100 a label, as vectors of the PACKAGE's own features; nothing is trained.

    The base install is enough. The examples also determine how far apart samples of a label may be: take them from
    several occasions and people, or give a larger --limit, since examples from a single stretch are closer together
    than later samples.
    """
    from edgewright.cli.options import labelled_examples
    from edgewright.core.neighbours import begin, write_index
    from edgewright.core.package import read_package
    from edgewright.core.prediction.objects import refuse_objects
    from edgewright.core.predictor import package_path
    from edgewright.core.records.package import Space

    refuse_existing(out, force)
    path = package_path(package)
    read_package(path)
    neighbours = begin(path.read_bytes(), str(path), cast("Space", space), limit)
    maker = neighbours.space()
    manifest = neighbours.package.manifest
    refuse_objects(manifest.task, f"edgewright few-shot learn {package}")
    for label, samples in labelled_examples(examples, manifest, label_column).items():
        neighbours = neighbours.added(label, maker.vectors(few(samples)))
    if len(neighbours.spec.labels) < 2:
        raise TooFewClassesError(
            "examples of at least two labels", f"only {neighbours.spec.labels[0]!r}", str(examples)
        )
    return report(neighbours, out, write_index(out, neighbours))


@declare(example="hapt.neighbours --csv cycling.csv --label cycling")
def add(
    *,
    index: Path = argument(metavar="INDEX"),
    csv_path: Path | None = option("--csv", metavar="FILE", help="Rows of the new examples, all with one label."),
    pictures: Path | None = option(metavar="PATH", help="Picture of the label, or folder or ZIP of pictures."),
    label: str = option(required=True, metavar="NAME", help="A new label, or one that the index has."),
    out: Path | None = option(type=FILE, help="New file. [default: INDEX itself]"),
) -> Result:
    """Add up to 100 examples of one label to INDEX, which is replaced once the new one is complete.

    The base install is enough.
    """
    from edgewright.core.neighbours import read_index, write_index

    if out is not None and out.exists():
        raise ExistingFileError("a new file", "an existing one", str(out), "Omit --out to add to INDEX itself")
    neighbours = read_index(index)
    samples, _ = samples_of(neighbours.package.manifest, csv_path, pictures)
    grown = neighbours.added(label, neighbours.space().vectors(few(samples)))
    return report(grown, out or index, write_index(out or index, grown))


@declare(example="hapt.neighbours --csv today.csv")
def predict(
    *,
    index: Path = argument(metavar="INDEX"),
    csv_path: Path | None = option("--csv", metavar="FILE", help="CSV file with the package's columns."),
    pictures: Path | None = option(metavar="PATH", help="Picture, or folder or ZIP of pictures."),
) -> Stream:
    """Label the rows or windows of a CSV file, or pictures, or report 'none of these' beyond the distance limit."""
    from edgewright.core.neighbours import read_index

    neighbours = read_index(index)
    samples, places = samples_of(neighbours.package.manifest, csv_path, pictures)
    for answer in neighbours.answers(neighbours.space().vectors(samples), places):
        near = f"too far from {answer.nearest}, the nearest: " if answer.nearest != answer.label else ""
        far = f"({near}distance {answer.distance:.3f}, limit {answer.limit:.3f})"
        yield Result(answer, [f"{answer.origin}: {answer.label}, {100 * answer.confidence:.0f} % {far}"], compact=True)
    return DONE
