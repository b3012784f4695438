"""An utterance as the bytes that a network in .tflite or ONNX takes: how often each row of the table is picked, scaled.

    byte[row] = min(255, (count[row] * UNIT * 256 + root / 2) / root) - 128, with root = isqrt(n << 16)

of n n-grams in all: on the grid of 1 / UNIT with zero point -128, `count / sqrt(n)`. The two n-grams of the shortest
word fill the range; those of a long sentence are 30 steps each, so that rounding changes the scale of a sentence by a
hundredth or two and hardly anything else. C counts and divides the same whole numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.nlp.utterance.hashing import rows_of
from edgewright.nlp.utterance.normalise import normalised
from edgewright.schema.language import StudentSpec

# Steps of one n-gram alone; the square root of two of them is just within 255.
UNIT = 360
MOST, ZERO = 255, -128


def features(text: str, spec: StudentSpec) -> NDArray[np.int8]:
    """The bytes of a text, shape (rows,); all of them -128 for one without a word."""
    rows = rows_of(normalised(text), spec.characters, spec.words, spec.rows)
    made = np.full(spec.rows, ZERO, np.int8)
    if len(rows):
        root = math.isqrt(len(rows) << 16)
        places, counts = np.unique(rows, return_counts=True)
        made[places] = np.minimum((counts * (UNIT << 8) + root // 2) // root, MOST) + ZERO
    return made
