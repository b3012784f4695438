"""Rows of numbers as a framing without classes looks at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn, without types

from edgewright.data.load import find_time, guess, load_data
from edgewright.language.forecasting.calendar_seasons import find_seasons
from edgewright.schema.data import DataSet
from edgewright.schema.errors import UnknownNameError
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.inspection import Look

_MOST, _KINDS = 1000, range(2, 7)
# Mean silhouette from which kinds are taken to lie apart: a structure that is reasonable, by Kaufman and Rousseeuw.
APART = 0.5


def kinds_of(values: NDArray[np.float32], seed: int) -> tuple[int, float]:
    """Return the number of kinds, 0 where none lie apart, and the best silhouette.

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


FEWEST = 30
# Rows on which detectors and forecasters are compared here; `detect fit` and `forecast` take all.
MOST = 6000


@dataclass(frozen=True)
class Rows:
    """What was read: data set, column of times, columns that were left out, the column that matters."""

    dataset: DataSet
    time: str
    left_out: tuple[tuple[str, str], ...]
    first: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.dataset.columns)

    @property
    def name(self) -> str:
        """Of the column that matters."""
        return self.names[self.first]

    @property
    def values(self) -> NDArray[np.float32]:
        """Of all recordings, one after the other."""
        return np.concatenate([recording.values for recording in self.dataset.recordings])


def read_rows(seen: Look, request: AdviceRequest) -> Rows:
    """Return the rows; the target is labels of what is odd, or the column that is to be forecast.

    Raises:
        InputError: rows that cannot be read.
        UnknownNameError: no column of numbers has the target's name.
    """
    labels = request.target if request.task == "anomaly" else ""
    table = {"kind": request.kind, "path": request.data} if request.kind else guess(request.data)
    time = request.time or find_time({**table, "target": request.target, "ignore": [*request.ignore]})
    parts = {time, labels, request.group, request.session, *request.ignore, ""}
    left = [(name, "it holds text, not measurements") for name in seen.words if name not in parts]
    left += [(name, "it counts rows") for name in seen.counters if name not in parts]
    named = {"group": request.group, "session": request.session, "time": time, "target": labels,
             "ignore": [*request.ignore, *(name for name, _ in left)]}  # fmt: skip
    dataset = load_data({**table, **{k: v for k, v in named.items() if v}}, seed=request.seed)
    names = [column.name for column in dataset.columns]
    if request.target and not labels and request.target not in names:
        raise UnknownNameError("column of numbers", request.target, names, "--target")
    return Rows(dataset, time, tuple(left), names.index(request.target) if request.target and not labels else 0)


def season_of(rows: Rows) -> int:
    """Return rows after which the column that matters repeats itself; 0 where it does not, or there is no time."""
    if rows.dataset.rate is None:
        return 0
    first = rows.dataset.recordings[0].values[:MOST, rows.first].astype(np.float64)
    known = np.isfinite(first)
    if known.sum() < FEWEST:
        return 0
    found = find_seasons(np.interp(np.arange(len(first)), np.flatnonzero(known), first[known]))
    return int(found[0].rows) if found else 0
