"""From which score on an utterance is in scope, and how well that tells the two apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]
# Of right answers on held-out utterances that may be refused, where nobody says what is out of scope.
REFUSED = 0.03


def limit(inside: Scores, outside: Scores) -> float:
    """The score from which on an utterance is in scope.

    With examples out of scope, that of the largest mean of the shares that are right on either side; without, the
    score that all but `REFUSED` of the utterances in scope reach.

    Args:
        inside: scores of held-out utterances in scope, shape (n,), at least one.
        outside: scores of utterances out of scope, shape (m,), may be none.
    """
    if not len(outside):
        return float(np.quantile(inside, REFUSED))
    ordered = np.unique(np.concatenate([inside, outside]))
    kept = 1.0 - np.searchsorted(np.sort(inside), ordered) / len(inside)
    refused = np.searchsorted(np.sort(outside), ordered) / len(outside)
    best = int(np.argmax(kept + refused))
    # Half-way to the next score below: on either side of a gap, the next utterance may fall into it.
    return float(ordered[max(best - 1, 0)] + ordered[best]) / 2


def auroc(inside: Scores, outside: Scores) -> float:
    """Share of pairs in which the utterance in scope has the larger score, ties half: area under the ROC curve."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return float(np.mean((below + upto) / 2) / len(outside)) if len(outside) and len(inside) else 0.0


def auroc_interval(inside: Scores, outside: Scores, seed: int = 0, draws: int = 500) -> tuple[float, float]:
    """Interval of 95 % of the area, by drawing both sides anew."""
    random = np.random.default_rng(seed)
    found = [
        auroc(inside[random.integers(len(inside), size=len(inside))],
              outside[random.integers(len(outside), size=len(outside))])
        for _ in range(draws if len(inside) and len(outside) else 0)
    ]  # fmt: skip
    return (float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))) if found else (0.0, 1.0)
