"""Pickles for workers. Names of many rows, such as labels, people and sessions, travel as runs of the same name.

NumPy keeps four bytes a character for each row: of 532,016 rows of HAPT these were 81 of 102 MB.
"""

from __future__ import annotations

import io
import pickle  # noqa: TID251 - between processes that run this code, never in a file
from typing import Any

import numpy as np

_MIN_ROWS = 4096
# Texts, whole numbers and booleans: equal ones have the same bytes, other than 0.0 and -0.0.
_KINDS = "Uiub"


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:  # noqa: ANN401 - as the base class
        if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in _KINDS:
            return NotImplemented
        if len(value) < _MIN_ROWS:
            return NotImplemented
        ends = np.flatnonzero(np.append(value[1:] != value[:-1], True))
        names, counts = value[ends], np.diff(ends, prepend=-1)
        return NotImplemented if names.nbytes + counts.nbytes > value.nbytes // 2 else (np.repeat, (names, counts))


def packed(value: object) -> bytes:
    """Return a pickle; `pickle.loads` gives the value back bit for bit."""
    stream = io.BytesIO()
    _Packer(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()
