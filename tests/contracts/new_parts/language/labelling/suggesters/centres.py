"""The class whose labelled items lie nearest in the mean."""

from __future__ import annotations

import numpy as np

from edgewright.language.labelling.suggesters import Given, Scores, Suggester, suggester


def _by_centre(given: Given) -> Scores:
    """Score by the cosine to the mean of a class; a labelled item is left out of the mean of its own class."""
    known = given.targets[:, None] == np.arange(len(given.classes))
    sums = known.T.astype(np.float64) @ given.vectors
    centres = sums[None] - known[:, :, None] * given.vectors[:, None, :]
    centres /= np.linalg.norm(centres, axis=2, keepdims=True) + 1e-9
    return np.asarray((centres * given.vectors[:, None, :]).sum(axis=2), np.float64)


suggester("centres")(Suggester("the nearest mean of labelled items", "labels", _by_centre, heat=0.1))
