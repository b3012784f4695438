"""The int8 student: rows of a table added up, a hidden layer, logits; integers throughout, the same in C.

With n rows added up to `sum[j]`, in integers of 64 bits:

    factor = FACTOR / isqrt(n << 16)
    hidden[j] = clip((sum[j] * factor + (bias[j] << SHIFT - 8) + (1 << SHIFT - 1)) >> SHIFT, 0, 127)
    logit[k] = last[k] + sum over j of hidden[j] * head[j][k]

The square root keeps the sums of long and short utterances alike: that many n-grams add up to about its size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.hashing import rows_of
from edgewright.nlp.utterance.normalise import normalised
from edgewright.schema.errors import InputError
from edgewright.schema.language import StudentSpec

# Bits of fraction of a bias.
FRACTION = 8
ARRAYS = {"table": np.int8, "bias": np.int32, "head": np.int8, "last": np.int32}


class Student:
    """Text to integer logits; `limits`, shape (k,), are those from which on each intent is answered.

    Args:
        spec: sizes and scales.
        arrays: `table` int8 (rows, hidden), `bias` int32 (hidden,), `head` int8 (hidden, k), `last` int32 (k,).
        classes: number k of intents.
        where: of the file, for messages.

    Raises:
        InputError: arrays of another type or shape than the spec says, or sizes that cannot be.
    """

    def __init__(self, spec: StudentSpec, arrays: dict[str, NDArray[Any]], classes: int, where: str) -> None:
        shapes = {"table": (spec.rows, spec.hidden), "bias": (spec.hidden,), "head": (spec.hidden, classes),
                  "last": (classes,)}  # fmt: skip
        for name, kind in ARRAYS.items():
            array = arrays.get(name)
            if array is None or array.dtype != kind or array.shape != shapes[name] or not array.size:
                got = "none" if array is None else f"{array.dtype} {array.shape}"
                raise InputError(f"an array {name} of {np.dtype(kind)} {shapes[name]}", got, where)
        lengths = (*spec.characters, *spec.words)
        if not lengths or min(lengths) < 1 or max(lengths) > 8 or not 0 < spec.factor < 1 << 40:
            raise InputError("n-grams of 1 to 8 and a positive factor", f"{lengths}, {spec.factor}", where)
        if not FRACTION < spec.shift <= 30 or not math.isfinite(spec.scale) or spec.scale <= 0:
            raise InputError("a shift of 9 to 30 and a positive scale", f"{spec.shift}, {spec.scale}", where)
        self._spec = spec
        # Sums of small integers are exact in float32, and BLAS adds rows of them faster than NumPy adds bytes.
        self._table = arrays["table"].astype(np.float32)
        self._head = arrays["head"].astype(np.float32)
        half = 1 << (spec.shift - 1)
        self._bias = (arrays["bias"].astype(np.int64) << (spec.shift - FRACTION)) + half
        self._last = arrays["last"].astype(np.int64)
        # An intent needs more than it has from a text without a known n-gram.
        self.limits: NDArray[np.int64] = np.maximum(spec.threshold, self.logits("") + 1)

    def logits(self, text: str) -> NDArray[np.int64]:
        """Integer logits, shape (k,); those of the biases alone for a text without a word."""
        spec = self._spec
        rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
        total = self._bias
        if len(rows):
            # All rows are within the table; "clip" saves NumPy a copy.
            sums = np.add.reduce(self._table.take(rows, axis=0, mode="clip"), axis=0).astype(np.int64)
            total = sums * (spec.factor // math.isqrt(len(rows) << 16)) + total
        hidden = np.minimum(np.maximum(total >> spec.shift, 0), 127).astype(np.float32)
        made: NDArray[np.int64] = (hidden @ self._head).astype(np.int64) + self._last
        return made
