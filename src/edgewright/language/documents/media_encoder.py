"""Encoders of pictures and sounds from a local directory, with the encoder of text beside them where there is one.

The directory is laid out as `nlp/documents/media.py` says; `text_model.onnx` and `tokenizer.json` of the same space may
lie beside the graph, as such pairs are published.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewright.core.own_models import hash_of
from edgewright.language.embedding.contract import Vectors, opened_again
from edgewright.language.embedding.directory import PAIRED, look
from edgewright.language.embedding.text import TextEncoder
from edgewright.nlp.documents.media import MediaGraph, existing
from edgewright.schema.errors import InputError


class MediaEncoder(MediaGraph):
    """Pictures or sounds to unit vectors, and texts to vectors of the same space.

    Args:
        directory: of the encoder.

    Raises:
        InputError: no such directory, no graph in it, or one that takes something else.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.sha256 = hash_of(directory)
        self._text = _text(directory)
        self.bytes += self._text.bytes if self._text else 0
        if self._text is not None and self._text.dimensions != self.dimensions:
            got = f"{self._text.dimensions} and {self.dimensions}"
            raise InputError("text and media in vectors of one length", got, str(directory))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the path of the directory."""
        return opened_again, (MediaEncoder, self.directory.absolute(), self.sha256)

    @property
    def reads_text(self) -> bool:
        """Whether texts can be compared with what it encodes."""
        return self._text is not None

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of texts, shape (n, d).

        Raises:
            InputError: there is no encoder of text beside it.
        """
        if self._text is None:
            raise InputError("text_model.onnx and tokenizer.json next to the encoder", "none", str(self.directory),
                             "Search by example with --like FILE")  # fmt: skip
        return self._text.encode(texts)


def _text(directory: Path) -> TextEncoder | None:
    model = existing(directory, PAIRED[:1])
    if model is None or not (directory / "tokenizer.json").is_file():
        return None
    return TextEncoder(look(directory), model, model.stat().st_size)
