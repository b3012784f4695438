"""Picture files as samples of a package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edgewright.core.input.pictures import ENDINGS, fit_of, pixels, takes_pictures
from edgewright.core.input.windows import parts
from edgewright.core.prediction_input import Answer, answered
from edgewright.core.predictor import Predictor
from edgewright.data.files import stored_files
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest


def answer_pictures(predictor: Predictor, path: Path) -> Iterator[Answer]:
    """Answer a picture, or all pictures of a folder or ZIP; `place` names the file.

    Args:
        predictor: that answers, of a package for pictures.
        path: path of the file, folder or ZIP.

    Raises:
        InputError: the package takes no pictures, or a file is none.
    """
    for samples, names in _pieces(path, predictor.manifest):
        yield from answered(predictor, samples, names)


def read_pictures(path: Path, manifest: Manifest) -> tuple[Floats, list[str]]:
    """Return pictures as samples, shape (n, *manifest.shape), and the name of each file.

    Args:
        path: path of the file, folder or ZIP.
        manifest: of a package for pictures.

    Raises:
        InputError: the package takes no pictures, or a file is none.
    """
    pieces = list(_pieces(path, manifest))
    return np.concatenate([samples for samples, _ in pieces]), [name for _, names in pieces for name in names]


def read_picture_examples(path: Path, manifest: Manifest) -> dict[str, Floats]:
    """Return pictures by label: the folder that a file lies in.

    Args:
        path: of a folder, or a ZIP of one, with a folder for each label.
        manifest: of a package for pictures.

    Raises:
        InputError: as `read_pictures`, or a picture outside of a folder with the name of a label.
    """
    samples, names = read_pictures(path, manifest)
    labels = np.array([PurePosixPath(name).parent.name for name in names])
    alone = next((name for name, label in zip(names, labels, strict=True) if not label), None)
    if alone is not None:
        raise InputError("a folder of pictures for each label", f"{alone} in none", str(path))
    return {str(label): samples[labels == label] for label in np.unique(labels)}


def _pieces(path: Path, manifest: Manifest) -> Iterator[tuple[Floats, list[str]]]:
    """Yield pictures a part at a time, and the names of their files."""
    if not takes_pictures(manifest):
        raise InputError(
            "a package for pictures", f"samples of shape {manifest.shape}", manifest.name, "Pass a CSV file: --csv"
        )
    if not path.exists():
        raise InputError("a picture, or a folder or ZIP of pictures", "no such file", str(path))
    colour, (height, width) = len(manifest.columns) == 3, manifest.shape[1:]
    at_once = next(parts((4096, *manifest.shape))).stop
    names: list[str] = []
    buffer = np.empty((at_once, *manifest.shape), np.float32)
    for name, content in stored_files(path, ENDINGS, "picture"):
        buffer[len(names)] = pixels(content, name, (height, width), colour=colour, fit=fit_of(manifest))
        names.append(name)
        if len(names) == at_once:
            yield buffer.copy(), names
            names = []
    if names:
        yield buffer[: len(names)].copy(), names
