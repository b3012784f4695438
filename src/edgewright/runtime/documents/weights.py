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
WORDS = np.array([1.45, 2.28, 1.35, 2.03, 1.57, 0.66, 2.27, 1.01, 0.32, 0.76, 0.39, 0.0, 0.0, 0.0, 0.0])
HYBRID = np.array([1.04, 1.86, 0.97, 1.71, 1.49, 0.55, 1.53, 1.2, 0.57, 0.07, 0.67, 2.75, 1.4, 1.44, -0.35])
# Whether the answer is there at all: figures of the best sentence, and a constant.
THERE_WORDS = np.array([1.37, -2.77, 0.87, 1.59, 4.24, 0.36, 0.56, 0.95, 0.13, 1.98, -0.2, 0.0, 0.0, 0.0, 0.0, -4.28])
THERE_HYBRID = np.array(
    [-0.11, -1.34, 0.11, 0.71, 3.62, 0.34, -0.24, 0.94, 1.36, 0.64, 0.77, 3.94, 4.07, 0.61, 0.64, -7.48]
)
THRESHOLD_WORDS, THRESHOLD_HYBRID = 0.34, 0.44
