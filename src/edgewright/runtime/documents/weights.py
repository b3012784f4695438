"""Weights of the figures, learnt once from the training questions of two public sets (benchmarks/language/weights.py).

Pairwise logistic regression: the answering sentence against the others of its candidates. They are a part of the
program and not of an index, so an index need not be made anew when they become better.
"""

from __future__ import annotations

import numpy as np

KIND, KINDS = 7, 40
"""Column of the figure that needs the text of a sentence, and for how many sentences it is looked at."""
CANDIDATES = 24
"""Passages that are looked at sentence by sentence."""
# In the order of features.NAMES.
WORDS = np.array([1.47, 2.32, 1.32, 2.03, 1.66, 0.64, 2.31, 1.02, 0.35, 0.72, 0.42, 0.0, 0.0, 0.0, 0.0])
HYBRID = np.array([1.03, 1.88, 0.95, 1.73, 1.53, 0.56, 1.59, 1.21, 0.6, 0.02, 0.66, 2.74, 1.42, 1.46, -0.35])
# Whether the answer is there at all: figures of the best sentence, and a constant.
THERE_WORDS = np.array([1.32, -2.22, 0.97, 0.86, 4.85, 0.73, 0.02, 0.99, 0.48, 2.32, -0.15, 0.0, 0.0, 0.0, 0.0, -4.58])
THERE_HYBRID = np.array(
    [-0.26, -1.04, 0.43, -0.0, 4.69, 0.68, -1.14, 0.88, 1.3, 0.69, 0.74, 3.77, 4.47, 1.15, 0.19, -7.42]
)
THRESHOLD_WORDS, THRESHOLD_HYBRID = 0.45, 0.40
