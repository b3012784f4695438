"""Checks of the columns: missing, constant, out of range, stuck, repeated, identifiers."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from edgewright.data.findings import Finding, Severity, percent
from edgewright.data.leakage import digests
from edgewright.schema.data import DataSet, Floats, Recording

# A run shorter than this is ordinary rounding of a slow signal at usual rates, whatever the column.
SHORTEST_STUCK_RUN = 30
# A stuck run is this much longer than the column's usual one (its 95th percentile).
STUCK_RATIO = 10.0
# Fewer different values than this are a state or a class, which stays the same by nature.
FEWEST_SENSOR_VALUES = 10
_IDENTIFIER = re.compile(r"(^|[_\s])(id|uid|udi|uuid|index|idx|row|nr|no|number|key)$", re.IGNORECASE)


def column_of(dataset: DataSet, index: int) -> Floats:
    """One column of all recordings together, shape (rows,)."""
    return np.concatenate([r.values[:, index] for r in dataset.recordings])


def runs(same: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and lengths of the stretches of True, shape (stretches,) each."""
    edges = np.diff(np.concatenate(([0], same.view(np.int8), [0])))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def place(dataset: DataSet, recording: Recording, row: int) -> str:
    """Where a row stands, with its time where it has one."""
    time = f" ({recording.time[row]:.3f} s)" if recording.time is not None else ""
    name = f" of {recording.name}" if len(dataset.recordings) > 1 else ""
    return f"row {row + 1}{name}{time}"


def missing(dataset: DataSet) -> list[Finding]:
    """Missing values by column: share and longest run with its place."""
    findings = []
    for index, column in enumerate(dataset.columns):
        count, longest, where = 0, 0, ""
        for recording in dataset.recordings:
            absent = np.isnan(recording.values[:, index])
            starts, lengths = runs(absent)
            count += int(absent.sum())
            if len(lengths) and lengths.max() > longest:
                longest = int(lengths.max())
                where = place(dataset, recording, int(starts[lengths.argmax()]))
        if not count:
            continue
        share = count / sum(len(r.values) for r in dataset.recordings)
        severity: Severity = "error" if share >= 0.5 else "warning" if share >= 0.05 else "note"
        findings.append(
            Finding(
                kind="missing", severity=severity, column=column.name,
                sentence=f"{column.name}: {count} values are missing ({percent(share)}); the longest run is "
                f"{longest} rows from {where}",
                numbers={"missing": float(count), "share": share, "longest_run": float(longest)},
            )
        )  # fmt: skip
    return findings


def constant(dataset: DataSet) -> list[Finding]:
    """Columns with one value only."""
    findings = []
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        values = values[~np.isnan(values)]
        if len(values) > 1 and values.min() == values.max():
            sentence = f"{column.name} is {values[0]:g} in every row and tells a model nothing"
            numbers = {"value": float(values[0])}
            findings.append(
                Finding(kind="constant", severity="warning", column=column.name, sentence=sentence, numbers=numbers)
            )
    return findings


def out_of_range(dataset: DataSet) -> list[Finding]:
    """Values that the sensor, as declared, cannot give."""
    findings = []
    for index, column in enumerate(dataset.columns):
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        values = column_of(dataset, index)
        outside = (values < np.float32(low)) | (values > np.float32(high))
        if outside.any():
            sentence = (
                f"{column.name}: {int(outside.sum())} values are outside {low:g}..{high:g} {column.unit}".rstrip()
                + f" (smallest {np.nanmin(values):g}, largest {np.nanmax(values):g}; first in row "
                f"{int(outside.argmax()) + 1})"
            )
            numbers = {"outside": float(outside.sum()), "share": float(outside.mean())}
            findings.append(
                Finding(kind="range", severity="warning", column=column.name, sentence=sentence, numbers=numbers)
            )
    return findings


def stuck(dataset: DataSet) -> list[Finding]:
    """Sensors that give the same value for much longer than is usual for them."""
    findings = []
    for index, column in enumerate(dataset.columns):
        lengths: list[NDArray[np.int64]] = []
        longest, where, value = 0, "", 0.0
        for recording in dataset.recordings:
            values = recording.values[:, index]
            starts, equal = runs(values[1:] == values[:-1])  # NaN differs from NaN: missing runs are no stuck runs
            singles = max(0, len(values) - int((equal + 1).sum()))
            lengths += [equal + 1, np.ones(singles, dtype=np.int64)]
            if len(equal) and equal.max() + 1 > longest:
                longest = int(equal.max()) + 1
                first = int(starts[equal.argmax()])
                where, value = place(dataset, recording, first), float(values[first])
        if longest < SHORTEST_STUCK_RUN:
            continue
        usual = float(np.quantile(np.concatenate(lengths), 0.95))
        different = len(np.unique(column_of(dataset, index)[:200_000]))
        if longest < STUCK_RATIO * usual or different < FEWEST_SENSOR_VALUES:
            continue
        findings.append(
            Finding(
                kind="stuck", severity="warning", column=column.name,
                sentence=f"{column.name} stays at {value:g} for {longest} rows from {where}; its runs are at most "
                f"{usual:.0f} rows long 95 times in 100",
                numbers={"longest_run": float(longest), "usual_run": usual, "value": value},
            )
        )  # fmt: skip
    return findings


def repeated(dataset: DataSet) -> list[Finding]:
    """Rows that are there more than once."""
    if len(dataset.columns) < 2:
        return []  # a single quantised column repeats by nature
    total = sum(len(r.values) for r in dataset.recordings)
    marks = np.concatenate([digests(r.values) for r in dataset.recordings])
    copies = total - len(np.unique(marks))
    if not copies:
        return []
    share = copies / total
    timed = dataset.rate is not None
    # Quantised sensors at rest repeat rows by nature; a table without time does not.
    severity: Severity = "warning" if share >= (0.2 if timed else 0.01) else "note"
    sentence = f"{copies} rows are copies of another row ({percent(share)})"
    numbers = {"copies": float(copies), "share": share}
    return [Finding(kind="repeated", severity=severity, sentence=sentence, numbers=numbers)]


def identifiers(dataset: DataSet) -> list[Finding]:
    """Columns that number the rows instead of measuring something."""
    findings = []
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        if len(values) < 20 or np.isnan(values).any() or not np.array_equal(values, np.round(values)):
            continue
        steps = np.diff(values.astype(np.float64))
        counted = bool((steps == 1).mean() > 0.95)
        named = bool(_IDENTIFIER.search(column.name)) and len(np.unique(values)) > 0.5 * len(values)
        if counted or named:
            why = "counts the rows" if counted else "is named like an identifier and differs in most rows"
            findings.append(
                Finding(
                    kind="identifier", severity="warning", column=column.name,
                    sentence=f"{column.name} {why}: a model learns the order of the rows from it; name it in ignore",
                    numbers={"different": float(len(np.unique(values)))},
                )
            )  # fmt: skip
    return findings
