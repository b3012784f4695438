"""A linear head (logistic regression) on the vectors; a labelled item is judged by a head that did not see it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from edgewright.language.labelling.suggesters import Given, Scores, Suggester
from edgewright.schema.data import Floats

FOLDS = 5
PENALTY = 10.0
# Classes that nobody has labelled yet: less likely than any other.
_ABSENT = -20.0


def logits(vectors: Floats, targets: NDArray[np.int64], values: Floats, classes: int) -> Scores:
    """Return scores of `values` by a head that was fitted on `vectors`, shape (n, classes)."""
    made = np.full((len(values), classes), _ABSENT)
    present = np.unique(targets)
    if len(present) < 2:
        made[:, present] = 0.0
        return made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Nearly as many classes as items are what the first labels are like.
        warnings.filterwarnings("ignore", "The number of unique classes")
        head = LogisticRegression(C=PENALTY, max_iter=200).fit(vectors, targets)
    made[:, present] = head.predict_log_proba(values)
    return made


def out_of_fold(
    vectors: Floats, targets: NDArray[np.int64], classes: int, groups: NDArray[np.int64], seed: int = 0
) -> Scores:
    """Return scores of labelled items by heads that saw none of the same group, shape (n, classes)."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    made = np.full((len(targets), classes), _ABSENT)
    for part in np.array_split(names, min(FOLDS, len(names))):
        held = np.isin(groups, part)
        if held.all():
            continue
        made[held] = logits(vectors[~held], targets[~held], vectors[held], classes)
    return made


def _scores(given: Given) -> Scores:
    known = np.flatnonzero(given.targets >= 0)
    targets = given.targets[known]
    made = logits(given.vectors[known], targets, given.vectors, len(given.classes))
    if len(known) >= 2 * FOLDS:
        made[known] = out_of_fold(given.vectors[known], targets, len(given.classes), np.arange(len(known)), given.seed)
    return made


SUGGESTER = Suggester(what="a linear head on the labelled items", needs="labels", scores=_scores)
