"""What lies nearest to a picture or a sound, to words, or to both, in an index of files or of documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.language.documents.hybrid import check_encoder
from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.embedding.contract import unit
from edgewright.nlp.documents.media import files_of
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.documents import FoundPassage
from edgewright.schema.errors import InputError


def search_media(
    index: DocumentIndex,
    directory: Path,
    *,
    question: str = "",
    like: Path | None = None,
    unlike: Path | None = None,
    top: int = 3,
) -> tuple[FoundPassage, ...]:
    """Return the nearest passages, the nearest first.

    Args:
        index: of pictures, of sounds, or of documents with the vectors of a pair's text encoder.
        directory: of the encoder that the index was built with.
        question: words.
        like: a picture or sound; with words, the sum of both vectors counts.
        unlike: a file or a folder of what is known already: it is left out, and so is what resembles it more than
            the question.
        top: number of passages.

    Raises:
        InputError: another encoder, an index without vectors, or a file that cannot be read.
    """
    encoder = MediaEncoder(directory)
    check_encoder(index, encoder, directory)
    vectors = [encoder.encode_file(like)] if like is not None else []
    vectors += list(encoder.encode([question])) if question else []
    if not vectors:
        raise InputError("a question or a file to search with", "neither", str(index.path))
    history = np.zeros((0, encoder.dimensions), np.float32)
    if unlike is not None:
        files = files_of(unlike, encoder.kind) if unlike.is_dir() else [unlike]
        history = np.stack([encoder.encode_file(file) for file in files])
    return index.nearest(np.asarray(unit(np.sum(vectors, axis=0)), np.float32), top, history)
