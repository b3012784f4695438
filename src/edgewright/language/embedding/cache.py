"""An encoder that does not encode a text twice: training asks for the same words and utterances again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.language.embedding.contract import Encoder, Vectors


class Remembering:
    """An `Encoder` that keeps what it was asked; four bytes a number, as long as it lives.

    Args:
        encoder: that does the work.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._known = encoder, dict[str, Vectors]()
        self.name, self.dimensions, self.bytes = encoder.name, encoder.dimensions, encoder.bytes

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As the encoder."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, self.dimensions)

    def words(self) -> list[str]:
        """As the encoder."""
        return self._encoder.words()
