"""What the commands of `edgewright few-shot` share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.command import Result
from edgewright.cli.text import wrote
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgewright.core.neighbours.index_file import Neighbours
    from edgewright.schema.package import Manifest


def few(samples: NDArray[np.float32], maximum: int) -> NDArray[np.float32]:
    """At most so many of the samples, at even distances."""
    import numpy as np

    if len(samples) <= maximum:
        return samples
    return np.take(samples, np.linspace(0, len(samples) - 1, maximum).round().astype(int), axis=0)


def samples_of(
    manifest: Manifest, csv_path: Path | None, pictures: Path | None
) -> tuple[NDArray[np.float32], list[str]]:
    """Return samples of a package from a CSV file or from pictures, and where each is from.

    Raises:
        InputError: none or both are given, or one that cannot be read.
    """
    from edgewright.core.neighbours.examples import read_samples

    if pictures is not None and csv_path is None:
        from edgewright.data.picture_samples import read_pictures

        return read_pictures(pictures, manifest)
    if csv_path is None or pictures is not None:
        raise InputError("one of --csv FILE or --pictures PATH", "none" if pictures is None else "both", "few-shot")
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
