"""Labels that are likely wrong."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.language.labelling.suggesters.labelled import out_of_fold
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

CANNOT = (
    "finds single mistakes, not classes that are confused throughout; machine labels from the same "
    "vectors agree with themselves, so only edgewright label audit shows their error rate"
)
FEWEST = 5


class Mistake(msgspec.Struct, frozen=True):
    """A label that is likely wrong: its index, the classes given and likelier, and the belief in the one given."""

    index: int
    given: int
    likelier: int
    belief: float


def likely_errors(
    vectors: Floats, targets: NDArray[np.int64], groups: NDArray[np.int64] | None = None, seed: int = 0
) -> list[Mistake]:
    """Return labels that are likely wrong by confident learning (Northcutt et al., 2021), the likeliest first.

    Probabilities come from heads that saw no item of the same group: a person's windows are alike, and a head that saw
    some would repeat their mistakes. It finds slips. A class that is mixed up with another throughout is learnt as it
    is, and hardly found; so is what a machine suggested from the same vectors.

    Args:
        vectors: shape (n, d).
        targets: class numbers, shape (n,).
        groups: of the items; each is its own when None.
        seed: seed of the folds.

    Raises:
        InputError: one class or group, or a class with fewer than `FEWEST` items.
    """
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 - of an extra, and slow to load

    kinds, numbers, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if len(kinds) < 2 or counts.min() < FEWEST:
        got = "one class" if len(kinds) < 2 else f"one with {counts.min()}"
        raise InputError(f"two classes of at least {FEWEST} labelled items", got, "label errors", "Label more first")
    of = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if len(np.unique(of)) < 2:
        raise InputError("items of two groups at least", "one", "label errors", "Omit the group")
    scores = out_of_fold(vectors, numbers, len(kinds), of, seed)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    indices = find_label_issues(
        numbers, shares, return_indices_ranked_by="self_confidence", filter_by="prune_by_noise_rate", n_jobs=1
    )
    return [
        Mistake(int(k), int(targets[k]), int(kinds[shares[k].argmax()]), round(float(shares[k, numbers[k]]), 4))
        for k in indices
    ]
