"""Whether rows fall into kinds that lie apart: k-means and the silhouette (Rousseeuw 1987)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn, without types

_MOST, _KINDS = 1000, range(2, 7)
# Mean silhouette from which kinds are taken to lie apart: a structure that is reasonable, by Kaufman and Rousseeuw.
APART = 0.5


def kinds_of(values: NDArray[np.float32], seed: int) -> tuple[int, float]:
    """Number of kinds, 0 where none lie apart, and the best silhouette.

    Args:
        values: (rows, columns); rows with missing values are left out, columns are scaled by their deviation.
        seed: of the rows that are drawn and of the centres.
    """
    known = values[np.isfinite(values).all(axis=1)].astype(np.float64)
    if len(known) < 30:
        return 0, 0.0
    rng = np.random.default_rng(seed)
    some = known[np.sort(rng.permutation(len(known))[:_MOST])]
    spread = some.std(axis=0)
    some = (some - some.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    if not some.shape[1] or len(np.unique(some, axis=0)) <= max(_KINDS):
        return 0, 0.0
    with threadpool_limits(1):
        found = {
            k: float(silhouette_score(some, KMeans(k, n_init=3, random_state=seed).fit_predict(some))) for k in _KINDS
        }
    best = max(found, key=lambda k: found[k])
    return (best if found[best] >= APART else 0), found[best]
