"""Labels that stand only in the first row of an event, as event logs write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.checks_columns import target_of
from edgewright.data.findings import Finding, percent
from edgewright.data.resampling import sessions_of
from edgewright.data.targets import as_text, labelled, task_of
from edgewright.schema.data import DataSet, Labels

KEY = "fill_labels"
"""Key of [data]: whether an empty label is that of the last labelled row above it."""
SPARSE_LABELS = "sparse-labels"
"""Kind of the finding."""
# At most this share of the rows is labelled, and at least this share of these rows stands alone and differs from the
# labelled row before it. Labels drawn at random from three classes differ in two thirds.
_MOST_LABELLED, _ALONE, _DIFFERENT = 0.2, 0.9, 0.8
_FEWEST = 5


def fill_down(target: Any, *names: Labels | None) -> Any:  # noqa: ANN401 - text or float64
    """Return a target whose empty labels are those of the last labelled row above them.

    Args:
        target: shape (rows,).
        names: person and session of each row, which no label crosses; None where unknown.
    """
    rows = np.arange(len(target))
    begins = np.zeros(len(target), np.bool_)
    begins[:1] = True
    for cells in names:
        if cells is not None:
            begins[1:] |= cells[1:] != cells[:-1]
    first = np.maximum.accumulate(np.where(begins, rows, 0))
    last = np.maximum.accumulate(np.where(labelled(target), rows, -1))
    return np.where(last >= first, target[np.maximum(last, 0)], "" if target.dtype.kind == "U" else np.nan)


def labelled_share(dataset: DataSet) -> float | None:
    """Return the share of labelled rows where labels stand only where they change; None otherwise."""
    y = target_of(dataset)
    if y is None or not (known := labelled(y)).any() or task_of(y[known]) != "classification":
        return None
    count = alone = pairs = different = 0
    for recording in dataset.recordings:
        if recording.target is None:
            continue
        names = as_text(recording.target)
        for _, rows in sessions_of(recording):
            places = np.flatnonzero(names[rows] != "")
            count += len(places)
            separate: NDArray[np.bool_] = np.diff(places) > 1
            alone += int(np.append(separate, places[-1] < len(rows) - 1).sum()) if len(places) else 0
            pairs += len(separate)
            different += int((names[rows[places[1:]]] != names[rows[places[:-1]]]).sum())
    if count < _FEWEST or not pairs or count > _MOST_LABELLED * len(y):
        return None
    return count / len(y) if alone >= _ALONE * count and different >= _DIFFERENT * pairs else None


def sparse_label_findings(dataset: DataSet) -> Iterator[Finding]:
    """Find labels that stand only where they change, for `edgewright check`."""
    if (share := labelled_share(dataset)) is not None:
        sentence = (
            f"{dataset.target_name} is empty in {percent(1 - share)} of the rows and stands only where it changes: "
            f"--fill-labels ({KEY} = true in [data]) fills it down"
        )
        yield Finding(SPARSE_LABELS, "warning", sentence, dataset.target_name, {"empty": 1 - share})
