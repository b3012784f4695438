"""The vector of a question, by the encoder that an index was made with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.language.embedding import load
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.nlp.utterance.head import Encodes
from edgewright.schema.errors import InputError


def checked_encoder(index: DocumentIndex, encoder: Path) -> Encodes:
    """Return the encoder of an index.

    Raises:
        InputError: the index has no vectors, they are of another encoder, or the directory is none of an encoder.
    """
    contents = index.contents
    if not contents.encoder:
        raise InputError("an index with vectors", "one without", str(index.path),
                         "Create it with: edgewright language index ... --encoder DIR")  # fmt: skip
    loaded = load(encoder)
    if (loaded.name, loaded.dimensions) != (contents.encoder, contents.dimensions):
        got = f"{loaded.name!r} with vectors of length {loaded.dimensions}"
        raise InputError(
            f"the index's encoder, {contents.encoder!r} of length {contents.dimensions}", got, str(encoder)
        )
    return loaded


def vector_of(index: DocumentIndex, encoder: Path, question: str) -> NDArray[np.float32]:
    """Return the question's vector, shape (d,); errors as of `checked_encoder`."""
    return np.asarray(checked_encoder(index, encoder).encode([question])[0], np.float32)
