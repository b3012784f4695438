"""From which score on an utterance is in scope, and how well that tells the two apart."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.training.metrics import FEW_GROUPS, jackknife, student_t, wilson

Scores = NDArray[Any]
_DRAWS = 500


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


def auroc(inside: Scores, outside: Scores) -> float:
    """Share of pairs in which the utterance in scope has the larger score, ties half: area under the ROC curve."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return float(np.mean((below + upto) / 2) / len(outside)) if len(outside) and len(inside) else 0.0


def auroc_interval(inside: Scores, outside: Scores) -> Interval:
    """Compute the area with its interval of 95 %: both sides are drawn anew, or left out one by one where one is few.

    Few utterances that are all apart from the other side still tell little: the interval is never narrower than that
    of as many utterances each of which is right or wrong.

    Args:
        inside: scores of utterances in scope, shape (n,).
        outside: scores of utterances out of scope, shape (m,).
    """
    area, few = auroc(inside, outside), min(len(inside), len(outside))
    alone = wilson(round(area * few), few)
    if few < 2:
        return msgspec.structs.replace(alone, value=area)
    if few > FEW_GROUPS:
        random = np.random.default_rng(0)
        found = [
            auroc(inside[random.integers(len(inside), size=len(inside))],
                  outside[random.integers(len(outside), size=len(outside))])
            for _ in range(_DRAWS)
        ]  # fmt: skip
        low, high = np.quantile(found, [0.025, 0.975])
        return Interval(value=area, low=float(low), high=float(high), method="bootstrap of both sides")
    _, own, _ = jackknife(lambda rows: auroc(inside[rows], outside), np.arange(len(inside)))
    _, other, _ = jackknife(lambda rows: auroc(inside, outside[rows]), np.arange(len(outside)))
    half = student_t(few - 1) * math.hypot(own, other)
    return Interval(
        value=area, low=min(alone.low, max(0.0, area - half)), high=max(alone.high, min(1.0, area + half)),
        method=f"jackknife of both sides, t with {few - 1} degrees of freedom, 95 %",
    )  # fmt: skip
