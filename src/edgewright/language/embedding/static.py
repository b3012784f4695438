"""Static embeddings: a text is the mean of the vectors of its words or word pieces, as model2vec stores them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewright.core.own_models import hash_of
from edgewright.language.embedding.contract import Vectors, unit
from edgewright.language.embedding.directory import STATIC_TABLES
from edgewright.language.embedding.safetensors import read_safetensors
from edgewright.language.embedding.text import clean, open_tokenizer, whole_words
from edgewright.schema.errors import InputError

_TOKENS = 512


class StaticEncoder:
    """Texts to unit vectors; an `Encoder`.

    Args:
        directory: with `model.safetensors` (an array `embeddings`, and where they exist `weights` and `mapping` of
            tokens) and `tokenizer.json`.

    Raises:
        InputError: files that are missing, damaged or do not fit each other.
    """

    def __init__(self, directory: Path) -> None:
        self.name, self.sha256 = directory.resolve().name, hash_of(directory)
        where = str(directory / "model.safetensors")
        arrays = read_safetensors(directory / "model.safetensors")
        table = next((arrays[name] for name in STATIC_TABLES if name in arrays), np.zeros(0))
        if table.ndim != 2 or not table.size:
            raise InputError("a table of embeddings", f"shape {table.shape}", where)
        self._tokens = open_tokenizer(directory / "tokenizer.json", _TOKENS)
        known = self.tokens = self._tokens.get_vocab_size()
        rows = arrays.get("mapping", np.arange(len(table)))
        weights = arrays.get("weights", np.ones(len(rows), np.float32))
        if len(rows) < known or len(weights) != len(rows) or rows.min() < 0 or rows.max() >= len(table):
            raise InputError(f"embeddings of the {known:,} tokens", f"{len(rows):,}", where)
        self._table, self._rows, self._weights = table, rows.astype(np.int64), weights.astype(np.float32)
        unknown = getattr(self._tokens.model, "unk_token", None)
        self._unknown = self._tokens.token_to_id(unknown) if unknown else None
        self.dimensions, self.bytes = table.shape[1], table.nbytes

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (n, d); zeros for a text without a known word."""
        means = np.zeros((len(texts), self.dimensions), np.float32)
        encodings = self._tokens.encode_batch([clean(text) for text in texts], add_special_tokens=False)
        for mean, encoding in zip(means, encodings, strict=True):
            ids = [token for token in encoding.ids if token != self._unknown]
            if ids:
                mean[:] = (self._table[self._rows[ids]] * self._weights[ids, None]).mean(axis=0)
        return unit(means)

    def words(self) -> list[str]:
        """Whole words of its vocabulary in small letters, sorted."""
        return whole_words(self._tokens)
