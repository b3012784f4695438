"""Labels of pictures and sounds, from descriptions: a pair of ONNX encoders of one space, as CLIP is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.zero_shot.choice import background
from edgewright.nlp.choice import Choice, Chooser, Labels
from edgewright.nlp.documents.media import files_of
from edgewright.schema.errors import InputError


def media_chooser(labels: Labels, encoder: MediaEncoder, shift: float = 0.0) -> Chooser:
    """Return labels of pictures or sounds.

    Raises:
        InputError: no encoder of text beside that of pictures or sounds.
    """
    around = encoder.encode(list(background(encoder.kind)))
    others = encoder.encode(list(labels.others)) if labels.others else around[:0]
    return Chooser(labels, encoder.encode(list(labels.descriptions)), others, around, shift)


def choose_files(
    file_path: Path, encoder: MediaEncoder, chooser: Chooser
) -> Iterator[tuple[Path, Choice | InputError]]:
    """Yield a choice for a file, or for each below a folder; there what cannot be read is told instead.

    Raises:
        InputError: the one file cannot be read, nothing there, or a folder without any.
    """
    if not file_path.exists():
        raise InputError(f"a {encoder.kind} or a folder of such", "no such file", str(file_path))
    folder = file_path.is_dir()
    for path in files_of(file_path, encoder.kind) if folder else [file_path]:
        try:
            vector = encoder.encode_file(path)
        except InputError as error:
            if not folder:
                raise
            yield path, error
            continue
        yield path, chooser.choose(np.asarray(vector)[None])[0]
