"""Pictures or sounds in an index like that of documents: a file is a passage, its name the text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgewright.language.documents.hybrid import check_encoder
from edgewright.language.documents.index import write_index
from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.documents.passages import Block
from edgewright.language.embedding.contract import unit
from edgewright.nlp.documents.index_file import Vectors
from edgewright.nlp.documents.media import files_of
from edgewright.nlp.documents.search import DocumentIndex
from edgewright.schema.documents import Document, FoundPassage, Indexed
from edgewright.schema.errors import InputError

_LONGEST_NAME = 400


class _Folder:
    """A folder as a document and as the encoder of its own passages.

    Files that cannot be read are left out and noted.
    """

    def __init__(self, folder: Path, encoder: MediaEncoder) -> None:
        self.name, self.dimensions, self.sha256 = encoder.name, encoder.dimensions, encoder.sha256
        self._folder, self._encoder = folder, encoder
        self._vectors: dict[str, Vectors] = {}
        self._notes: list[str] = []
        self._digest = hashlib.sha256()

    def blocks(self) -> Iterator[Block]:
        seen: set[str] = set()
        for path in files_of(self._folder, self._encoder.kind):
            # A name may hold bytes that are no UTF-8; the index holds text.
            real = path.relative_to(self._folder).as_posix().encode("utf-8", "replace").decode()
            # One word for the splitter of sentences, whatever the name is, and another one for each file.
            name = re.sub(r"\s+", "_", real)[-_LONGEST_NAME:]
            while name in seen:
                name = f"_{name}"
            seen.add(name)
            try:
                self._vectors[name] = self._encoder.encode_file(path)
                self._digest.update(path.read_bytes())
            except InputError as error:
                if len(self._notes) < 20:
                    self._notes.append(f"left out: {error}")
                continue
            above = tuple(real.split("/")[:-1]) or (self._folder.name,)
            # A path of its own, which ends with the file's name: each is a section, told one by one.
            yield Block((*above, real), 0, name)
        if not self._vectors:
            raise InputError(f"{self._encoder.kind}s that can be read", "none", str(self._folder))

    def document(self) -> Document:
        notes = tuple(self._notes)
        kind = f"{self._encoder.kind}s"
        return Document(name=self._folder.name, kind=kind, sha256=self._digest.hexdigest(), notes=notes)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of files by their names; zeros for headings, which say nothing here."""
        nothing = np.zeros(self.dimensions, np.float32)
        return np.stack([self._vectors.pop(text, nothing) for text in texts])


def write_media_index(path: Path, folder: Path, encoder: MediaEncoder) -> Indexed:
    """Write an index of the pictures or sounds below a folder.

    Args:
        path: path of the index.
        folder: with its sub-folders.
        encoder: of the kind that is looked for.

    Raises:
        InputError: none that can be read.
        OutputError: the index cannot be written.
    """
    own = _Folder(folder, encoder)
    return write_index(path, [own], own, media=encoder.kind)


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
