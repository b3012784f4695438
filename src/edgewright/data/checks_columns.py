"""Checks of columns and target: missing, constant, stuck and repeated values, balance, leaks of the target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.data.contract import Finding, Severity, few, percent
from edgewright.data.splits import digests
from edgewright.data.targets import as_text, coded, counted, labelled, task_of

OWN_RANGE = "each class has its own range"
# A run shorter than this is ordinary rounding of a slow signal at usual rates, whatever the column.
SHORTEST_STUCK_RUN = 30
# A stuck run is this much longer than the column's usual one (its 95th percentile).
STUCK_RATIO = 10.0
# Fewer different values than this are a state or a class, which stays the same by nature.
FEWEST_SENSOR_VALUES = 10
# Below this many rows a column separates classes by chance.
FEWEST_ROWS = 20
# Beyond this many values 'each value belongs to one class' says little.
MOST_VALUES = 50
_IDENTIFIER = re.compile(r"(^|[_\s])(id|uid|udi|uuid|index|idx|row|nr|no|number|key)$", re.IGNORECASE)


def column_of(dataset: DataSet, index: int) -> Floats:
    """One column of all recordings together, shape (rows,)."""
    return np.concatenate([r.values[:, index] for r in dataset.recordings])


def runs(same: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and lengths of the stretches of True, shape (stretches,) each."""
    edges = np.diff(np.concatenate(([0], same.view(np.int8), [0])))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def row_name(dataset: DataSet, recording: Recording, row: int) -> str:
    """Where a row stands, with its time where it has one."""
    time = f" ({recording.time[row]:.3f} s)" if recording.time is not None else ""
    name = f" of {recording.name}" if len(dataset.recordings) > 1 else ""
    return f"row {row + 1}{name}{time}"


def missing(dataset: DataSet) -> Iterator[Finding]:
    """Find missing values by column: share and longest run with its place."""
    for index, column in enumerate(dataset.columns):
        count, longest, where = 0, 0, ""
        for recording in dataset.recordings:
            absent = np.isnan(recording.values[:, index])
            starts, lengths = runs(absent)
            count += int(absent.sum())
            if len(lengths) and lengths.max() > longest:
                longest = int(lengths.max())
                where = row_name(dataset, recording, int(starts[lengths.argmax()]))
        if count:
            share = count / sum(len(r.values) for r in dataset.recordings)
            severity: Severity = "error" if share >= 0.5 else "warning" if share >= 0.05 else "note"
            sentence = f"{column.name}: {count} values are missing ({percent(share)}); the longest run is"
            numbers = {"missing": float(count), "share": share, "longest_run": float(longest)}
            yield Finding("missing", severity, f"{sentence} {longest} rows from {where}", column.name, numbers)


def constant(dataset: DataSet) -> Iterator[Finding]:
    """Find columns with one value only."""
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        values = values[~np.isnan(values)]
        if len(values) > 1 and values.min() == values.max():
            sentence = f"{column.name} is {values[0]:g} in every row and has no information"
            yield Finding("constant", "warning", sentence, column.name, {"value": float(values[0])})


def out_of_range(dataset: DataSet) -> Iterator[Finding]:
    """Find values that the sensor, as declared, cannot give."""
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
            yield Finding("range", "warning", sentence, column.name, numbers)


def stuck(dataset: DataSet) -> Iterator[Finding]:
    """Find sensors that give the same value for much longer than is usual for them."""
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
                where, value = row_name(dataset, recording, first), float(values[first])
        if longest < SHORTEST_STUCK_RUN:
            continue
        usual = float(np.quantile(np.concatenate(lengths), 0.95))
        different = len(np.unique(column_of(dataset, index)[:200_000]))
        if longest >= STUCK_RATIO * usual and different >= FEWEST_SENSOR_VALUES:
            sentence = (
                f"{column.name} stays at {value:g} for {longest} rows from {where}; its runs are at most "
                f"{usual:.0f} rows long 95 times in 100"
            )
            numbers = {"longest_run": float(longest), "usual_run": usual, "value": value}
            yield Finding("stuck", "warning", sentence, column.name, numbers)


def repeated(dataset: DataSet) -> Iterator[Finding]:
    """Find rows that are there more than once; a single quantised column repeats by nature."""
    total = sum(len(r.values) for r in dataset.recordings)
    if len(dataset.columns) < 2:
        return
    numbers = np.concatenate([digests(r.values) for r in dataset.recordings])
    numbers.sort()
    copies = int((numbers[1:] == numbers[:-1]).sum())
    if copies:
        share = copies / total
        # Quantised sensors at rest repeat rows by nature; a table without time does not.
        severity: Severity = "warning" if share >= (0.01 if dataset.rate is None else 0.2) else "note"
        sentence = f"{copies} rows are copies of another row ({percent(share)})"
        yield Finding("repeated", severity, sentence, numbers={"copies": float(copies), "share": share})


def identifiers(dataset: DataSet) -> Iterator[Finding]:
    """Find columns that number the rows instead of measuring something."""
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        if len(values) < 20 or np.isnan(values).any() or not np.array_equal(values, np.round(values)):
            continue
        steps = np.diff(values.astype(np.float64))
        counts = bool((steps == 1).mean() > 0.95)
        named = bool(_IDENTIFIER.search(column.name)) and len(np.unique(values)) > 0.5 * len(values)
        if counts or named:
            why = "counts the rows" if counts else "is named like an identifier and differs in most rows"
            sentence = f"{column.name} {why}: a model would learn the row order from it; name it in ignore"
            numbers = {"different": float(len(np.unique(values)))}
            yield Finding("identifier", "warning", sentence, column.name, numbers)


def target_of(dataset: DataSet) -> Any:  # noqa: ANN401 - text or float64
    """Return the target of all rows, shape (rows,); None when no recording is labelled."""
    targets = [r.target for r in dataset.recordings]
    known = [np.asarray(t) for t in targets if t is not None]
    if not known:
        return None
    text = any(t.dtype.kind == "U" for t in known)
    parts: list[Any] = []
    for recording in dataset.recordings:
        rows = len(recording.values)
        if recording.target is None:
            parts.append(np.full(rows, "") if text else np.full(rows, np.nan))
        else:
            parts.append(as_text(recording.target) if text else np.asarray(recording.target, dtype=np.float64))
    return np.concatenate(parts)


def balance(dataset: DataSet) -> Iterator[Finding]:
    """Find unlabelled rows and rare classes, and say how evenly classes are distributed."""
    y = target_of(dataset)
    if y is None:
        yield Finding("no-target", "note", "no target is named: rows are unlabelled")
        return
    known = labelled(y)
    if not known.all():
        absent = int((~known).sum())
        sentence = f"{absent} rows are unlabelled ({percent(absent / len(y))}) and excluded from training"
        yield Finding("unlabelled", "note", sentence, numbers={"rows": float(absent), "share": absent / len(y)})
    if not known.any() or task_of(y) == "regression":
        return
    names, counts = counted(as_text(y if known.all() else y[known]))
    shares = counts / counts.sum()
    if len(names) == 1:
        sentence = f"every labelled row is of the class {str(names[0])!r}: there is nothing to classify"
        yield Finding("one-class", "error", sentence, numbers={"classes": 1.0})
        return
    evenness = float(-(shares * np.log(shares)).sum() / np.log(len(names)))
    rare = [str(n) for n, s, c in zip(names, shares, counts, strict=True) if s < 0.25 / len(names) or c < 10]
    smallest = int(counts.argmin())
    sentence = (
        f"{len(names)} classes, the rarest is {str(names[smallest])!r} with {int(counts[smallest]):,} rows "
        f"({percent(shares[smallest])}); evenness {evenness:.2f} (1 is even)" + (f"; rare: {few(rare)}" if rare else "")
    )
    numbers = {"classes": float(len(names)), "smallest_share": float(shares.min()), "evenness": evenness}
    yield Finding("balance", "warning" if rare else "note", sentence, numbers=numbers)


# Rows that are looked at before all of them.
_FIRST_ROWS = 20_000


def predictors(dataset: DataSet) -> Iterator[Finding]:
    """Find columns that equal the target or tell it alone without a mistake."""
    y = target_of(dataset)
    if y is None:
        return
    known = labelled(y)
    classes = task_of(y) == "classification" if known.any() else False
    names = np.empty(0, np.str_)
    if classes:
        names, y = coded(as_text(y))
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        rows = known & ~np.isnan(values)
        if rows.sum() < FEWEST_ROWS or rows.sum() < 0.5 * known.sum():
            continue
        values, own = (values, y) if rows.all() else (values[rows], y[rows])
        if how := _of_classes(values, own, names) if classes else _of_amounts(values, own):
            severity: Severity = "error" if how.startswith("equals") else "warning"
            sentence = f"{column.name} {how}: is it known before the target?"
            yield Finding("target-leak", severity, sentence, column.name, {"rows": float(rows.sum())})


def _of_amounts(values: NDArray[np.float32], y: NDArray[np.float64]) -> str:
    """Return how a column gives amounts away; empty when it does not."""
    if values.min() == values.max():
        return ""
    if np.array_equal(values, y.astype(np.float32)):
        return "equals the target"
    if y.min() == y.max():
        return ""
    r = float(np.corrcoef(values.astype(np.float64), y)[0, 1])
    return f"alone determines the target (correlation {r:.6f})" if abs(r) > 0.99999 else ""


def _of_classes(values: NDArray[np.float32], codes: NDArray[np.int32], names: NDArray[np.str_]) -> str:
    """Return how a column gives classes away; empty when it does not."""
    counts = np.bincount(codes)
    classes = int((counts > 0).sum())
    if values.min() == values.max() or classes < 2 or counts[counts > 0].min() < 2:
        return ""
    # What some rows show is true of all of them: few columns are sorted whole.
    for step in (max(1, len(values) // _FIRST_ROWS), 1):
        order = np.argsort(values[::step], kind="stable")
        ordered, own = values[::step][order], codes[::step][order]
        new, turn = ordered[1:] != ordered[:-1], own[1:] != own[:-1]
        if (turn & ~new).any():
            return ""  # some value belongs to two classes
        if int(new.sum()) >= max(MOST_VALUES, classes) and int(turn.sum()) >= classes:
            return ""  # many values, and classes that take turns along them
    values, codes = ordered, own
    firsts = np.concatenate(([0], np.flatnonzero(new) + 1))
    if len(firsts) == classes and np.array_equal(as_text(values[firsts]), names[codes[firsts]]):
        return "equals the target"
    if len(firsts) <= min(MOST_VALUES, len(values) // 4):
        return "alone determines the class: each of its values belongs to one class"
    if int(turn.sum()) == classes - 1:
        return f"alone determines the class: {OWN_RANGE}"
    return ""
