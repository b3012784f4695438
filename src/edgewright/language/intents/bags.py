"""Texts as sparse rows: what the device adds up, with its weight of one over the root of their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from edgewright.nlp.utterance.hashing import rows_of
from edgewright.nlp.utterance.normalise import normalised


def bags(texts: Sequence[str], characters: tuple[int, ...], words: tuple[int, ...], rows: int) -> csr_matrix:
    """A row a text over the rows of the table, shape (n, rows), float32; repeated n-grams count as often as they come.

    Args:
        texts: as they are written.
        characters, words, rows: as `StudentSpec` has them.
    """
    found = [rows_of(normalised(text), characters, words, rows) for text in texts]
    lengths = np.array([len(one) for one in found], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.concatenate(found) if found else np.zeros(0, np.int64)
    weights = np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths)
    return csr_matrix(
        (weights.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)), shape=(len(texts), rows)
    )
