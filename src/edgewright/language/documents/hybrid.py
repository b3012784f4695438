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
    check_encoder(index, loaded, encoder)
    return loaded


def check_encoder(index: DocumentIndex, encoder: Encodes, where: Path) -> None:
    """Refuse an encoder that did not make the index's vectors.

    Raises:
        InputError: its name, the length of its vectors or its SHA-256 is another one.
    """
    contents, sha256 = index.contents, getattr(encoder, "sha256", "")
    if (encoder.name, encoder.dimensions) != (contents.encoder, contents.dimensions):
        got = f"{encoder.name!r} with vectors of length {encoder.dimensions}"
        raise InputError(f"the index's encoder, {contents.encoder!r} of length {contents.dimensions}", got, str(where))
    if contents.encoder_sha256 and sha256 and sha256 != contents.encoder_sha256:
        expected = f"the index's encoder, {contents.encoder!r} of SHA-256 {contents.encoder_sha256[:12]}"
        raise InputError(expected, sha256[:12], str(where), "Build the index again with this encoder")


def vector_of(index: DocumentIndex, encoder: Path, question: str) -> NDArray[np.float32]:
    """Return the question's vector, shape (d,); errors as of `checked_encoder`."""
    return np.asarray(checked_encoder(index, encoder).encode([question])[0], np.float32)
