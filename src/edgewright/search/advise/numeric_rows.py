"""Analysis of numeric rows for framings without a target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn dependency, untyped

from edgewright.data.load import find_time, guess, load_data
from edgewright.language.forecasting.calendar_seasons import find_seasons
from edgewright.schema.data import DataSet
from edgewright.schema.errors import UnknownNameError
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.inspection import Inspection

_MOST, _KINDS = 1000, range(2, 7)
# Minimum mean silhouette of separate clusters: 'a reasonable structure' in Kaufman and Rousseeuw (1990).
MIN_SILHOUETTE = 0.5


def find_clusters(values: NDArray[np.float32], seed: int) -> tuple[int, float]:
    """Return the number of clusters, 0 where none are separate, and the best silhouette.

    Args:
        values: shape (rows, columns); rows with missing values are dropped, and columns are standardised.
        seed: random seed of the row sample and of k-means.
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
    return (best if found[best] >= MIN_SILHOUETTE else 0), found[best]


FEWEST = 30
# Maximum number of rows for the comparison of detectors and forecasters; `detect fit` and `forecast` use all rows.
MOST = 6000


@dataclass(frozen=True)
class Rows:
    """Data set, name of the time column, excluded columns with reasons, and index of the main column."""

    dataset: DataSet
    time: str
    left_out: tuple[tuple[str, str], ...]
    first: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.dataset.columns)

    @property
    def name(self) -> str:
        """Name of the main column: the column to forecast, or the first one."""
        return self.names[self.first]

    @property
    def values(self) -> NDArray[np.float32]:
        """Values of all recordings, concatenated."""
        return np.concatenate([recording.values for recording in self.dataset.recordings])


def read_rows(seen: Inspection, request: AdviceRequest) -> Rows:
    """Read the rows; the target is the column of anomaly labels, or the column to forecast.

    Raises:
        InputError: the rows cannot be read.
        UnknownNameError: no numeric column has the name of the target.
    """
    labels = request.target if request.task == "anomaly" else ""
    table = {"kind": request.kind, "path": request.data} if request.kind else guess(request.data)
    time = request.time or find_time({**table, "target": request.target, "ignore": [*request.ignore]})
    numbers = {request.target} - set(seen.words)
    left = seen.no_measurements({time, labels, request.group, request.session, *request.ignore, *numbers})
    named = {"group": request.group, "session": request.session, "time": time, "target": labels,
             "ignore": [*request.ignore, *(name for name, _ in left)]}  # fmt: skip
    dataset = load_data({**table, **{k: v for k, v in named.items() if v}}, seed=request.seed)
    names = [column.name for column in dataset.columns]
    if request.target and not labels and request.target not in names:
        raise UnknownNameError("column of numbers", request.target, names, "--target")
    return Rows(dataset, time, tuple(left), names.index(request.target) if request.target and not labels else 0)


def season_of(rows: Rows) -> int:
    """Return the season of the main column in rows; 0 where it has none, or the rate is unknown."""
    if rows.dataset.rate is None:
        return 0
    first = rows.dataset.recordings[0].values[:MOST, rows.first].astype(np.float64)
    known = np.isfinite(first)
    if known.sum() < FEWEST:
        return 0
    found = find_seasons(np.interp(np.arange(len(first)), np.flatnonzero(known), first[known]))
    return int(found[0].rows) if found else 0
