"""The nearest labelled items vote, nearer ones more; a labelled item is judged by the others."""

from __future__ import annotations

import numpy as np

from edgewright.language.labelling.suggesters import Given, Scores, Suggester

NEAREST = 5
# Of cosine: how fast a vote fades with distance.
_FADE = 0.1
_BLOCK = 2048


def _scores(given: Given) -> Scores:
    known = np.flatnonzero(given.targets >= 0)
    base, targets = given.vectors[known], given.targets[known]
    made = np.zeros((len(given.vectors), len(given.classes)))
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
        np.add.at(made, (begin + rows, targets[best].reshape(-1)), votes.reshape(-1))
    # A little of every class, so that far neighbours make nobody sure.
    return np.asarray(np.log(made + np.exp(-0.9 / _FADE)), np.float64)


SUGGESTER = Suggester(what=f"the {NEAREST} nearest labelled items vote", needs="labels", scores=_scores)
