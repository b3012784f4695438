"""An encoder of text: `tokenizers` cuts, ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.own_models import hash_of
from edgewright.language.embedding.contract import Vectors, unit
from edgewright.language.embedding.directory import Directory, Pooling
from edgewright.schema.errors import InputError

# Texts at a time, of about the same length, so that little is computed for padding.
_BATCH = 32
# Characters of a text that are cut into tokens at all; the model reads fewer.
_LONGEST = 20_000


def open_tokenizer(path: Path, longest: int) -> Tokenizer:
    """Return the tokeniser of a `tokenizer.json`, which cuts texts after `longest` tokens.

    Raises:
        InputError: another file, or none.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - tokenizers raises plain exceptions
        raise InputError("a tokenizer.json", str(error)[:200], str(path)) from None
    tokenizer.enable_truncation(longest)
    tokenizer.no_padding()
    return tokenizer


def clean(text: str) -> str:
    """Return a text as tokenisers take it: not too long, without lone surrogates, which UTF-8 cannot write."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()


def whole_words(tokenizer: Tokenizer) -> list[str]:
    """Return whole words of a vocabulary in small letters, sorted."""
    # SentencePiece marks the beginning of a word, WordPiece what is none.
    plain = (token.removeprefix("\u2581") for token in tokenizer.get_vocab() if not token.startswith("##"))
    return sorted({word for word in plain if len(word) > 1 and word.isalpha() and word == word.lower()})


class TextEncoder:
    """Texts to unit vectors; an `Encoder`.

    Args:
        directory: that was looked through.
        model: the graph as ONNX bytes, or the path of one that keeps its weights in further files.
        size: bytes of its weights.

    Raises:
        InputError: a graph or tokeniser that cannot be read or takes other inputs than tokens.
    """

    def __init__(self, directory: Directory, model: bytes | Path, size: int) -> None:
        self.name, self.bytes, self.sha256 = directory.path.resolve().name, size, hash_of(directory.path)
        self.directory = directory.path
        self._pooling: Pooling = directory.pooling
        where = str(directory.path)
        self._session = open_session(model, threads=1, where=where)
        self._tokens = open_tokenizer(directory.tokenizer, directory.longest)
        names = [output.name for output in self._session.get_outputs()]
        # Exports of CLIP give a vector a text and further values; their order is the exporter's.
        self._output = ["text_embeds" if "text_embeds" in names else names[0]]
        self._inputs = {i.name for i in self._session.get_inputs()}
        if not {"input_ids"} <= self._inputs <= {"input_ids", "attention_mask", "token_type_ids"}:
            raise InputError("input_ids, attention_mask, token_type_ids", ", ".join(sorted(self._inputs)), where)
        self.dimensions = self.encode(["size"]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (n, d)."""
        if not len(texts):
            return np.zeros((0, self.dimensions), np.float32)
        tokens = [encoding.ids for encoding in self._tokens.encode_batch([clean(text) for text in texts])]
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        starts = range(0, len(order), _BATCH)
        vectors = np.concatenate([self._vectors([tokens[i] for i in order[at : at + _BATCH]]) for at in starts])
        out = np.empty_like(vectors)
        out[order] = vectors
        return out

    def words(self) -> list[str]:
        """Whole words of its vocabulary in small letters, sorted: what it knows of a language."""
        return whole_words(self._tokens)

    def _vectors(self, tokens: list[list[int]]) -> Vectors:
        longest = max(1, *(len(ids) for ids in tokens))
        ids = np.zeros((len(tokens), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, ids_of_text in enumerate(tokens):
            ids[row, : len(ids_of_text)] = ids_of_text
            mask[row, : len(ids_of_text)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        raw: NDArray[Any] = self._session.run(self._output, {name: feeds[name] for name in self._inputs})[0]
        return unit(raw if raw.ndim == 2 else self._pool(raw, mask[:, :, None].astype(np.float32)))

    def _pool(self, raw: NDArray[Any], mask: NDArray[np.float32]) -> NDArray[Any]:
        if self._pooling == "cls":
            return np.asarray(raw[:, 0])
        if self._pooling == "max":
            return np.asarray(np.where(mask > 0, raw, -np.inf).max(axis=1))
        return np.asarray((raw * mask).sum(axis=1))
