"""What to label next: where the two likeliest classes are near, and different from each other.

Weighted k-means over the most uncertain items, the item nearest to each centre (Zhdanov, 2019); over all items before
anything is known.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from edgewright.language.labelling.suggesters import Scores
from edgewright.schema.data import Floats

POOL = 10
"""Times as many uncertain items as are chosen."""
_MOST = 6000


def choose(vectors: Floats, unlabelled: NDArray[np.int64], count: int, shares: Scores | None, seed: int) -> list[int]:
    """Places of the items to be labelled next, the most uncertain first.

    Args:
        vectors: of all items, shape (n, d).
        unlabelled: places that may be chosen.
        count: how many.
        shares: belief in each class, shape (n, classes); None before anything is known.
        seed: of the clusters.
    """
    if len(unlabelled) <= count:
        return [int(place) for place in unlabelled]
    random = np.random.default_rng(seed)
    weights = np.ones(len(vectors))
    if shares is None:
        pool = unlabelled if len(unlabelled) <= _MOST else np.sort(random.choice(unlabelled, _MOST, replace=False))
    else:
        best = np.sort(shares, axis=1)[:, -2:]
        weights = 1.0 - (best[:, 1] - best[:, 0])
        order = unlabelled[np.argsort(-weights[unlabelled], kind="stable")]
        pool = order[: POOL * count]
    weight = np.maximum(weights[pool], 1e-6)
    with warnings.catch_warnings():
        # Items that are equal leave clusters empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(count, n_init=1, random_state=seed, max_iter=50).fit(vectors[pool], sample_weight=weight)
    distance = found.transform(vectors[pool])
    chosen: list[int] = []
    for centre in range(count):
        order = np.argsort(distance[:, centre], kind="stable")
        chosen.append(next(int(pool[k]) for k in order if int(pool[k]) not in chosen))
    return sorted(chosen, key=lambda place: (-weights[place], place))
