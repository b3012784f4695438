"""What the commands of `edgewright few-shot` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.device._store import amount
from edgewright.cli.output import print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgewright.core.neighbours.index_file import Neighbours


def few(samples: NDArray[np.float32], maximum: int) -> NDArray[np.float32]:
    """At most so many of the samples, at even distances."""
    import numpy as np

    if len(samples) <= maximum:
        return samples
    return np.take(samples, np.linspace(0, len(samples) - 1, maximum).round().astype(int), axis=0)


def told(made: Neighbours, path: Path, size: int, as_json: bool) -> None:
    """Print what an index holds."""
    counts = {label: made.count(label) for label in made.spec.labels}
    if as_json:
        print_json({"file": str(path), "bytes": size, "space": made.spec.space, "examples": counts})
        return
    for label, count in counts.items():
        click.echo(f"{label}: {count} example{'s' if count > 1 else ''}")
    if min(counts.values()) < 2:
        click.echo(
            "note: one example does not show how far apart samples of a label are; other labels provide the distance"
        )
    width = made.vectors.shape[1]
    click.echo(
        f"wrote {click.format_filename(str(path))}, {amount(size)}; {width} numbers of the {made.spec.space} each"
    )
