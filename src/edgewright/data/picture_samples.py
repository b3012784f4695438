"""Answers to picture files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from edgewright.core.parts import parts
from edgewright.core.prediction_input import Answer, answered
from edgewright.core.predictor import Predictor
from edgewright.data.pictures import ENDINGS, Fit, pixels
from edgewright.data.stored_files import stored_files
from edgewright.schema.errors import InputError


def answer_pictures(predictor: Predictor, path: Path) -> Iterator[Answer]:
    """Answer a picture, or all pictures of a folder or ZIP; `place` names the file.

    Args:
        predictor: that answers, of a package for pictures.
        path: of the file or folder.

    Raises:
        InputError: the package takes no pictures, or a file is none.
    """
    manifest = predictor.manifest
    if len(manifest.shape) != 3 or len(manifest.columns) not in (1, 3):
        raise InputError(
            "a package for pictures", f"samples of shape {manifest.shape}", manifest.name, "Use --csv or --values"
        )
    if not path.exists():
        raise InputError("a picture, or a folder or ZIP of pictures", "no such file", str(path))
    fit = cast(Fit, manifest.picture.fit if manifest.picture is not None else "crop")
    colour, (height, width) = len(manifest.columns) == 3, manifest.shape[1:]
    at_once = next(parts((4096, *manifest.shape))).stop
    names, held = [], []
    for name, content in stored_files(path, ENDINGS, "picture"):
        names.append(name)
        held.append(pixels(content, name, (height, width), colour=colour, fit=fit))
        if len(held) == at_once:
            yield from answered(predictor, np.stack(held).astype(np.float32), names)
            names, held = [], []
    if held:
        yield from answered(predictor, np.stack(held).astype(np.float32), names)
