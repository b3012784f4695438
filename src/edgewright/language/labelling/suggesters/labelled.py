"""Suggesters that learn from labels of people: a linear head, and votes of neighbours."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from edgewright.cluster.mapping import each
from edgewright.language.labelling.suggesters import Given, Scores, Suggester, suggester
from edgewright.schema.data import Floats

FOLDS = 5
PENALTY = 10.0
# Classes that nobody has labelled yet: less likely than any other.
_ABSENT = -20.0


def logits(vectors: Floats, targets: NDArray[np.int64], values: Floats, classes: int) -> Scores:
    """Return scores of `values` by a head that was fitted on `vectors`, shape (n, classes)."""
    scores = np.full((len(values), classes), _ABSENT)
    present = np.unique(targets)
    if len(present) < 2:
        scores[:, present] = 0.0
        return scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Nearly as many classes as items are what the first labels are like.
        warnings.filterwarnings("ignore", "The number of unique classes")
        head = LogisticRegression(C=PENALTY, max_iter=200).fit(vectors, targets)
    scores[:, present] = head.predict_log_proba(values)
    return scores


def out_of_fold(
    vectors: Floats, targets: NDArray[np.int64], classes: int, groups: NDArray[np.int64], seed: int = 0
) -> Scores:
    """Return scores of labelled items by heads that saw none of the same group, shape (n, classes)."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    scores = np.full((len(targets), classes), _ABSENT)
    folds = [np.isin(groups, part) for part in np.array_split(names, min(FOLDS, len(names)))]
    folds = [fold for fold in folds if not fold.all()]
    for fold, own in zip(folds, each(_of_fold, (vectors, targets, classes), folds), strict=True):
        scores[fold] = own
    return scores


def _of_fold(shared: tuple[Floats, NDArray[np.int64], int], fold: NDArray[np.bool_]) -> Scores:
    vectors, targets, classes = shared
    return logits(vectors[~fold], targets[~fold], vectors[fold], classes)


def _by_head(given: Given) -> Scores:
    """Score by a linear head; a labelled item is judged by a head that did not see it."""
    known = np.flatnonzero(given.targets >= 0)
    targets = given.targets[known]
    scores = logits(given.vectors[known], targets, given.vectors, len(given.classes))
    if len(known) >= 2 * FOLDS:
        scores[known] = out_of_fold(
            given.vectors[known], targets, len(given.classes), np.arange(len(known)), given.seed
        )
    return scores


suggester("linear")(Suggester("a linear head on the labelled items", "labels", _by_head))

NEAREST = 5
# Of cosine: how fast a vote fades with distance.
_FADE = 0.1
_BLOCK = 2048


def _by_neighbours(given: Given) -> Scores:
    """Let the nearest labelled items vote, nearer ones more; a labelled item is judged by the others."""
    known = np.flatnonzero(given.targets >= 0)
    base, targets = given.vectors[known], given.targets[known]
    weights = np.zeros((len(given.vectors), len(given.classes)))
    own = np.full(len(given.vectors), -1)
    own[known] = np.arange(len(known))
    for begin in range(0, len(given.vectors), _BLOCK):
        near = given.vectors[begin : begin + _BLOCK] @ base.T
        mine = own[begin : begin + _BLOCK]
        near[np.flatnonzero(mine >= 0), mine[mine >= 0]] = -2.0
        count = min(NEAREST, len(known))
        best = np.argpartition(-near, count - 1, axis=1)[:, :count]
        cosine = np.take_along_axis(near, best, axis=1).astype(np.float64)
        votes = np.exp((cosine - 1.0) / _FADE) * (cosine > -1.5)
        rows = np.repeat(np.arange(len(near)), count)
        np.add.at(weights, (begin + rows, targets[best].reshape(-1)), votes.reshape(-1))
    # A little of every class, so that far neighbours make nobody sure.
    return np.asarray(np.log(weights + np.exp(-0.9 / _FADE)), np.float64)


suggester("neighbours")(Suggester(f"the {NEAREST} nearest labelled items vote", "labels", _by_neighbours))
