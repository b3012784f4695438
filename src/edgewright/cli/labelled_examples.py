"""Labelled examples of an option `--examples`: rows by label, or pictures in a folder for each label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.schema.data import Floats
    from edgewright.schema.package import Manifest


def labelled_examples(path: Path, manifest: Manifest, label_column: str) -> dict[str, Floats]:
    """Return samples of a package by label.

    Args:
        path: a CSV file or folder per label, or one file with `label_column`; for pictures, a folder or ZIP with a
            folder for each label.
        manifest: of the package.
        label_column: column with the labels; empty where the files carry them.

    Raises:
        InputError: nothing that can be read so.
    """
    if len(manifest.shape) == 3:
        from edgewright.data.picture_samples import read_picture_examples

        return read_picture_examples(path, manifest)
    from edgewright.core.neighbours.examples import read_examples

    return read_examples(path, manifest, label_column)
