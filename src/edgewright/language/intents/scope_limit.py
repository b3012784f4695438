"""From which score on an utterance is in scope, and how well that tells the two apart."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError
from edgewright.training.metrics import student_t

Scores = NDArray[Any]


def share_of(text: str) -> float:
    """Return the share of `--reject` as people write it: 2%, 2 % or 0.02.

    Raises:
        InputError: another text, or a share beyond 0 to 0.5.
    """
    found = re.fullmatch(r"([0-9]{0,3}(?:\.[0-9]{1,6})?)( ?%)?", text.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found and found[1] else -1.0
    if not 0 <= share <= 0.5:
        raise InputError("a share of 0 to 0.5, such as 2% or 0.02", repr(text[:40]), "--reject")
    return share


def limit(inside: Scores, outside: Scores, share: float) -> float:
    """Choose the score from which on an utterance is in scope.

    An utterance that is answered right lies below it with a probability of at most `share`: below the j-th smallest of
    n scores lies a further one with probability j / (n + 1) (conformal prediction; Vovk et al., 2005). To refuse one
    that is answered wrong costs nothing. With examples out of scope the limit is lower where that makes the mean of the
    shares that are right on either side larger.

    Args:
        inside: scores of held-out utterances in scope that are answered right, shape (n,), at least one.
        outside: scores of utterances out of scope, shape (m,), may be none.
        share: of `inside` that may be refused, 0..1.
    """
    index = int(share * (len(inside) + 1))
    highest = float(np.sort(inside)[max(index, 1) - 1])
    if index == 0:
        # Too few to see so small a share: below which a further one lies if scores are normal (prediction limit).
        count = len(inside)
        spread = float(inside.std(ddof=1)) * (1 + 1 / count) ** 0.5 if count > 1 else 0.0
        depth = student_t(max(count - 1, 1), 1 - 2 * min(max(share, 1e-6), 0.5))
        highest = min(highest, float(inside.mean()) - depth * spread)
    return min(highest, _balanced(inside, outside)) if len(outside) else highest


def _balanced(inside: Scores, outside: Scores) -> float:
    ordered = np.unique(np.concatenate([inside, outside]))
    kept = 1.0 - np.searchsorted(np.sort(inside), ordered) / len(inside)
    refused = np.searchsorted(np.sort(outside), ordered) / len(outside)
    best = int(np.argmax(kept + refused))
    # Half-way to the next score below: on either side of a gap, the next utterance may fall into it.
    return float(ordered[max(best - 1, 0)] + ordered[best]) / 2
