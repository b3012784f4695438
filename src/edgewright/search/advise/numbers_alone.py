"""Rows of numbers as a framing without classes looks at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.data.load import find_time, guess, load_data
from edgewright.language.forecasting.season import find_seasons
from edgewright.schema.data import DataSet
from edgewright.schema.errors import UnknownNameError
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.inspection import Look

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


def read_rows(seen: Look, asked: AdviceRequest) -> Rows:
    """The rows; the target is labels of what is odd, or the column that is to be foretold.

    Raises:
        InputError: rows that cannot be read.
        UnknownNameError: no column of numbers has the target's name.
    """
    labels = asked.target if asked.task == "anomaly" else ""
    table = {"kind": asked.kind, "path": asked.data} if asked.kind else guess(asked.data)
    time = asked.time or find_time({**table, "target": asked.target, "ignore": [*asked.ignore]})
    parts = {time, labels, asked.group, asked.session, *asked.ignore, ""}
    left = [(name, "it holds text, no measurement") for name in seen.words if name not in parts]
    left += [(name, "it counts rows") for name in seen.counters if name not in parts]
    named = {"group": asked.group, "session": asked.session, "time": time, "target": labels,
             "ignore": [*asked.ignore, *(name for name, _ in left)]}  # fmt: skip
    dataset = load_data({**table, **{k: v for k, v in named.items() if v}}, seed=asked.seed)
    names = [column.name for column in dataset.columns]
    if asked.target and not labels and asked.target not in names:
        raise UnknownNameError("column of numbers", asked.target, names, "--target")
    return Rows(dataset, time, tuple(left), names.index(asked.target) if asked.target and not labels else 0)


def season_of(rows: Rows) -> int:
    """Rows after which the column that matters repeats itself; 0 where it does not, or there is no time."""
    if rows.dataset.rate is None:
        return 0
    first = rows.dataset.recordings[0].values[:MOST, rows.first].astype(np.float64)
    known = np.isfinite(first)
    if known.sum() < FEWEST:
        return 0
    found = find_seasons(np.interp(np.arange(len(first)), np.flatnonzero(known), first[known]))
    return int(found[0].rows) if found else 0
