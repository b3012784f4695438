"""The file of a model of text: what it is, how it was trained, and texts that prove it. Versioned."""

from __future__ import annotations

from typing import Any

import msgspec

TEXT_VERSION = 1


class TextVector(msgspec.Struct, frozen=True, kw_only=True):
    """A text and the bits per byte that the model gives it."""

    text: str
    bits: float


class TextSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model of text.

    Attributes:
        name: of the file.
        kind: 'ngram' or 'gru'.
        arrays: names of its arrays.
        vectors: that prove it.
        trained: on what, and how well, for people.
    """

    version: int = TEXT_VERSION
    name: str
    kind: str
    arrays: tuple[str, ...] = ()
    vectors: tuple[TextVector, ...] = ()
    trained: dict[str, Any] = {}
