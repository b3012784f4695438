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
WORDS = np.array([1.52, 2.26, 1.36, 2.05, 1.64, 0.63, 2.29, 1.02, 0.33, 0.68, 0.41, 0.0, 0.0, 0.0, 0.0])
HYBRID = np.array([1.04, 1.86, 0.96, 1.74, 1.52, 0.56, 1.58, 1.2, 0.6, 0.01, 0.65, 2.76, 1.44, 1.48, -0.35])
# Whether the answer is there at all: figures of the best sentence, the logarithm of the sentences, and a constant.
THERE_WORDS = np.array(
    [0.95, 0.47, 2.79, 0.12, 2.1, 0.58, 3.84, 0.42, 1.59, 2.5, 0.86, 0.0, 0.0, 0.0, 0.0, -0.23, -4.67]
)
THERE_HYBRID = np.array(
    [-0.2, -1.1, 0.4, 0.06, 4.7, 0.66, -1.15, 0.87, 1.27, 0.66, 0.77, 3.73, 4.48, 1.2, 0.19, 0.0, -7.4]
)
THRESHOLD_WORDS, THRESHOLD_HYBRID = 0.49, 0.45
