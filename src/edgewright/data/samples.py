"""Recordings become samples: rows of a table, or windows cut without crossing a label, a person or a gap."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import gap_length
from edgewright.core.errors import LabelsError, TooFewClassesError, TooFewRowsError
from edgewright.core.input.recordings import cut as cut_windows
from edgewright.core.records.config import WindowConfig, WindowTarget
from edgewright.core.records.data import DataSet, Floats, Labels, Recording, Samples
from edgewright.data.resampling import at_one_rate
from edgewright.data.synthetic import is_synthetic
from edgewright.data.targets import CUT_BYTES, WindowViews, as_text, in_file, joined, labelled, task_of


class _Rows(msgspec.Struct, frozen=True):
    """One recording with its labels and names by row.

    Attributes:
        values: shape (rows, columns).
        y: shape (rows,).
        labelled: which rows carry a label.
        groups: shape (rows,), or None.
        sessions: shape (rows,).
        within: shape (rows,), index of the row within its session; a number where rows count on from it.
        time: shape (rows,), seconds; None without times.
        gap: shape (rows - 1,), whether time jumps after a row; None where the clock cannot tell.
        amounts: the target is a regression's.
    """

    values: Floats
    y: Any
    labelled: NDArray[np.bool_]
    groups: Labels | None
    sessions: Labels
    within: NDArray[np.int64] | int
    time: NDArray[np.float64] | None
    gap: NDArray[np.bool_] | None
    amounts: bool

    def within_session(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indices of some rows within their sessions."""
        return rows + self.within if isinstance(self.within, int) else self.within[rows]


class _Cut(msgspec.Struct, frozen=True):
    """Windows of one stretch: views of shape (n, channels, samples), their first rows and targets, each (n,).

    `begin` is the row that the stretch begins with: windows that begin with copies of it have a first row before it.
    `end` is the row behind it.
    """

    rows: _Rows
    windows: Floats
    first: NDArray[np.int64]
    y: Any
    begin: int
    end: int

    @property
    def own(self) -> NDArray[np.int64]:
        """The first row of each that is no copy."""
        return np.maximum(self.first, self.begin)

    @property
    def last(self) -> int:
        """The row behind the last window, which a padded window has behind its stretch."""
        return int(self.first[-1]) + int(self.windows.shape[2])


class StreamWindows(msgspec.Struct, frozen=True):
    """Windows over unbroken rows, as a device cuts them: across labels, and where there is none.

    Attributes:
        windows: shape (n, channels, samples), a view.
        last: shape (n,), the row with which each ends.
        y: shape (rows,), label of each row, '' for none.
    """

    windows: Floats
    last: NDArray[np.int64]
    y: Labels


def cut(dataset: DataSet, window: WindowConfig | None) -> Samples:
    """Cut the recordings of a data set into samples.

    Args:
        dataset: with a target.
        window: None takes each labelled row as a sample. Windows have the lowest of several sampling rates. Within
            'label', they lie inside stretches of one label, session and person, shorter stretches are left out; within
            'recording' they lie inside a session and take the label most of their labelled rows have. Of amounts,
            `window.target` says which is the window's.

    Raises:
        InputError: for unlabelled data, no stretch as long as a window, or a target that never changes.
    """
    dataset = dataset if window is None else at_one_rate(dataset)
    recordings = _prepared(dataset)
    samples = _rows(recordings, dataset) if window is None else _filled(_windows(recordings, dataset, window), dataset)
    if bool((samples.y == samples.y[0]).all()):
        raise TooFewClassesError(
            "at least two different values in the target", f"only {str(samples.y[0])!r}",
            f"{dataset.name}, {dataset.target_name or 'target'}", "A model needs different values to predict",
        )  # fmt: skip
    return samples


def cut_in_parts(
    dataset: DataSet, window: WindowConfig | None, maximum: int, *, last: bool = False
) -> Iterator[Samples]:
    """Yield windows in parts: they overlap, and together can be far larger than the rows.

    Args:
        dataset: with a target, which may be one label throughout.
        window: as of `cut`.
        maximum: samples in a part.
        last: only the last sample of each session, which ends with the session.

    Raises:
        InputError: for unlabelled data, or no stretch as long as a window.
    """
    dataset = dataset if window is None else at_one_rate(dataset)
    recordings = _prepared(dataset)
    if window is not None:
        cuts = _windows(recordings, dataset, window, last=last)
        return (_filled(bunch, dataset) for bunch in _bunches(cuts, maximum))
    samples = _rows(recordings, dataset)
    ends = np.flatnonzero(np.append(samples.sessions[1:] != samples.sessions[:-1], True))
    chosen = ends if last else np.arange(len(samples.y))
    return (part_of(samples, chosen[start : start + maximum]) for start in range(0, len(chosen), maximum))


def cut_streams(
    dataset: DataSet, window: WindowConfig, units: Container[str], by: str = "group"
) -> Iterator[StreamWindows]:
    """Yield the windows of each unbroken stretch of some recordings, whatever their labels; not of made-up ones.

    Args:
        dataset: of one rate, with a target of classes.
        window: how a device cuts.
        units: groups or sessions whose rows are taken.
        by: which of the two, 'group' or 'session'.
    """
    step = window.step or max(1, window.samples // 2)
    for rows in _prepared(dataset):
        names = rows.groups if by == "group" and rows.groups is not None else rows.sessions
        for begin, end in _stretches(rows, by_label=False):
            if str(names[begin]) not in units or is_synthetic(rows.sessions[begin : begin + 1]).any():
                continue
            windows, starts = cut_windows(rows.values[begin:end], window.samples, step, fill_start=window.fill_start)
            if len(starts):
                y = np.where(rows.labelled[begin:end], as_text(rows.y[begin:end]), "")
                yield StreamWindows(windows, starts + window.samples - 1, y)


def unit_of(X: Any) -> str:  # noqa: ANN401 - an array or spooled rows
    """Return what a sample is called: 'row', 'window' or 'picture'."""
    return {2: "row", 3: "window"}.get(X.ndim, "picture")


def part_of(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """Return some of the samples."""
    names = samples.sessions
    X: Any = samples.X
    return msgspec.structs.replace(
        samples, X=X.part(rows) if isinstance(X, WindowViews) else X[rows], y=np.asarray(samples.y)[rows],
        # The name of the only session is not written for every row.
        sessions=names[rows] if any(names.strides) else np.broadcast_to(names[:1], len(rows)),
        starts=samples.starts[rows], groups=None if samples.groups is None else samples.groups[rows],
        seconds=None if samples.seconds is None else samples.seconds[rows],
    )  # fmt: skip


def _prepared(dataset: DataSet) -> list[_Rows]:
    """Return recordings with sessions and places; targets of one type.

    Raises:
        InputError: when no row carries a label.
    """
    if not any(r.target is not None and bool(labelled(r.target).any()) for r in dataset.recordings):
        raise LabelsError("labelled rows", "none", dataset.name, "Name the column to predict: target")
    text = any(r.target is not None and np.asarray(r.target).dtype.kind == "U" for r in dataset.recordings)
    grouped = all(r.groups is not None for r in dataset.recordings)
    amounts = False
    if not text:
        # Judged over all recordings together.
        y = np.concatenate([np.unique(np.asarray(r.target)) for r in dataset.recordings if r.target is not None])
        amounts = task_of(y) == "regression"
    seen: defaultdict[str, int] = defaultdict(int)
    return [_prepared_recording(recording, text, grouped, amounts, seen) for recording in dataset.recordings]


def _prepared_recording(
    recording: Recording, text: bool, grouped: bool, amounts: bool, seen: defaultdict[str, int]
) -> _Rows:
    """Return a recording with its names by row; `seen` counts the rows of each session so far."""
    rows = len(recording.values)
    if recording.target is None:
        y: Any = np.broadcast_to(np.array(""), rows) if text else np.full(rows, np.nan)
    else:
        y = as_text(recording.target) if text else np.asarray(recording.target, dtype=np.float64)
    if recording.sessions is None:
        sessions = np.broadcast_to(np.array(recording.name), rows)
        location: NDArray[np.int64] | int = seen[recording.name]
        seen[recording.name] += rows
    else:
        sessions = recording.sessions
        names, inverse, counts = np.unique(sessions, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        before = np.array([seen[str(name)] for name in names], dtype=np.int64) - (np.cumsum(counts) - counts)
        location = np.empty(rows, dtype=np.int64)
        location[order] = np.arange(rows) + before[inverse[order]]
        for name, count in zip(names, counts, strict=True):
            seen[str(name)] += int(count)
    groups = recording.groups if grouped else None
    time = recording.time
    return _Rows(recording.values, y, labelled(y), groups, sessions, location, time, gaps(time), amounts)


def gaps(time: NDArray[np.float64] | None) -> NDArray[np.bool_] | None:
    """Where time jumps by a gap; None where the clock cannot tell."""
    if time is None or len(time) < 3:
        return None
    steps = np.diff(time)
    longest = gap_length(steps)
    return steps > longest if np.isfinite(longest) else None


def _rows(recordings: list[_Rows], dataset: DataSet) -> Samples:
    """Each labelled row as a sample."""
    keep = [r.labelled for r in recordings]
    return Samples(
        X=joined([r.values for r in recordings], keep),
        y=joined([r.y for r in recordings], keep),
        groups=None if recordings[0].groups is None else joined([r.groups for r in recordings], keep),
        sessions=joined([r.sessions for r in recordings], keep),
        starts=np.concatenate(
            [rows.within_session(np.flatnonzero(kept)) for rows, kept in zip(recordings, keep, strict=True)]
        ),
        columns=dataset.columns,
        rate=dataset.rate,
        seconds=_seconds(list(zip(recordings, keep, strict=True))),
    )


def _windows(recordings: list[_Rows], dataset: DataSet, window: WindowConfig, *, last: bool = False) -> list[_Cut]:
    """Return windows of every recording, as views of its rows."""
    step = window.step or max(1, window.samples // 2)
    cuts: list[_Cut] = []
    longest = 0
    for rows in recordings:
        # A stream has no labels: it is filled where a recording begins, or goes on after a gap.
        begins = {start for start, _ in _stretches(rows, by_label=False)} if window.fill_start else set()
        for begin, end in _stretches(rows, by_label=window.within == "label"):
            longest = max(longest, end - begin)
            start = max(begin, end - window.samples) if last else begin
            values: Any = rows.values[start:end]
            filled = start in begins
            if filled and last:
                values = np.concatenate([np.repeat(values[:1], window.samples - len(values), axis=0), values])
                start, filled = end - window.samples, False
            if window.pad and not filled and len(values) < window.samples:
                values = np.concatenate([values, np.zeros((window.samples - len(values), values.shape[1]), np.float32)])
            windows, starts = cut_windows(values, window.samples, step, fill_start=filled)
            if len(starts):
                y, kept = _labels(rows, start + starts, (begin, end), window)
                if kept.any():
                    whole = bool(kept.all())
                    cuts.append(
                        _Cut(rows, windows if whole else windows[kept], start + starts[kept], y[kept], begin, end)
                    )
    if not cuts:
        raise TooFewRowsError(
            f"a stretch of at least {window.samples} labelled rows (window.samples)", f"at most {longest}",
            dataset.name, "Use shorter windows, window.within = 'recording', or window.pad = true",
        )  # fmt: skip
    return cuts


def _bunches(cuts: list[_Cut], maximum: int) -> Iterator[list[_Cut]]:
    """Yield the windows in their order, at most so many at a time."""
    bunch: list[_Cut] = []
    room = maximum
    for whole in cuts:
        at = 0
        while at < len(whole.first):
            part = slice(at, at + room)
            bunch.append(
                _Cut(whole.rows, whole.windows[part], whole.first[part], whole.y[part], whole.begin, whole.end)
            )
            at, room = at + len(bunch[-1].first), room - len(bunch[-1].first)
            if not room:
                yield bunch
                bunch, room = [], maximum
    if bunch:
        yield bunch


def _filled(cuts: list[_Cut], dataset: DataSet) -> Samples:
    """Return windows as samples."""
    groups = None
    if cuts[0].rows.groups is not None:
        groups = np.concatenate(
            [own_cut.rows.groups[own_cut.own] for own_cut in cuts if own_cut.rows.groups is not None]
        )
    return Samples(
        X=_values_of(cuts),
        y=np.concatenate([own_cut.y for own_cut in cuts]),
        groups=groups,
        sessions=np.concatenate([own_cut.rows.sessions[own_cut.own] for own_cut in cuts]),
        starts=np.concatenate(
            [own_cut.rows.within_session(own_cut.own) - own_cut.own + own_cut.first for own_cut in cuts]
        ),
        columns=dataset.columns,
        rate=dataset.rate,
        seconds=_seconds([(own_cut.rows, own_cut.own) for own_cut in cuts]),
    )


def _values_of(cuts: list[_Cut]) -> Any:  # noqa: ANN401 - an array, or windows in files
    """Return the values of windows; many that overlap are cut on demand."""
    samples = cuts[0].windows.shape[2]
    shape = (sum(len(own_cut.first) for own_cut in cuts), *cuts[0].windows.shape[1:])
    recordings = {id(own_cut.rows): own_cut.rows.values for own_cut in cuts}
    loaded = all(in_file(values) is None for values in recordings.values())
    beyond = loaded and 4 * math.prod(shape) > max(CUT_BYTES, sum(values.nbytes for values in recordings.values()))
    if beyond and all(own_cut.begin <= own_cut.first[0] and own_cut.last <= own_cut.end for own_cut in cuts):
        numbers = {key: number for number, key in enumerate(recordings)}
        owners = [np.full(len(own_cut.first), numbers[id(own_cut.rows)], np.int32) for own_cut in cuts]
        first = np.concatenate([own_cut.first for own_cut in cuts])
        return WindowViews.of(list(recordings.values()), np.concatenate(owners), first, samples)
    # One array is filled in place: the views overlap, so that the copy is as large as the windows and no larger.
    X = np.empty(shape, dtype=np.float32)
    at = 0
    for own_cut in cuts:
        X[at : at + len(own_cut.windows)] = own_cut.windows
        at += len(own_cut.windows)
    return X


def _seconds(parts: list[tuple[_Rows, NDArray[Any]]]) -> NDArray[np.float64] | None:
    """Return the times of some rows of each recording; None where one has no times."""
    times = [rows.time[chosen] for rows, chosen in parts if rows.time is not None]
    return np.concatenate(times) if len(times) == len(parts) else None


def _stretches(rows: _Rows, *, by_label: bool) -> list[tuple[int, int]]:
    """First row and end of each run of rows of one session and person (and label), in order."""
    count = len(rows.values)
    change = np.asarray(rows.sessions[1:] != rows.sessions[:-1])
    if rows.gap is not None:
        change = change | rows.gap
    if rows.groups is not None:
        change = change | (rows.groups[1:] != rows.groups[:-1])
    if by_label:
        if not rows.amounts:
            change = change | (rows.y[1:] != rows.y[:-1])
        change = change | (rows.labelled[1:] != rows.labelled[:-1])
    edges = np.concatenate(([0], np.flatnonzero(change) + 1, [count]))
    pairs = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    return [(a, b) for a, b in pairs if rows.labelled[a]] if by_label else pairs


def _labels(
    rows: _Rows, first: NDArray[np.int64], stretch: tuple[int, int], window: WindowConfig
) -> tuple[Any, NDArray[np.bool_]]:
    """Return the label of each window of a stretch of rows that begins at `first`, and which windows have one.

    A window without a majority of labelled rows is left out; classes with equally many rows: the first by name. Of
    amounts `window.target` says which of its labelled rows' is the window's. A copy of a row has its label.
    """
    begin, end = stretch
    if window.within == "label" and not rows.amounts:
        return rows.y[np.maximum(first, begin)], np.ones(len(first), dtype=np.bool_)
    start, length = int(first[0]), min(window.samples, end - int(first[0]))
    known, y = rows.labelled[max(start, begin) : end], rows.y[max(start, begin) : end]
    if start < begin:
        known, y = (np.concatenate([np.repeat(column[:1], begin - start), column]) for column in (known, y))
    first = first - start
    kept = _counted(known, first, length) / length >= 0.5
    if rows.amounts:
        inside = first[:, None] + np.arange(length)
        return _amount(y[inside], known[inside], window.target), kept
    # A label stands for many rows: those at which it changes name all of them.
    change = np.flatnonzero(np.append(True, y[1:] != y[:-1]))
    classes, codes = np.unique(y[change], return_inverse=True)
    codes = np.repeat(codes, np.diff(np.append(change, len(y))))
    counts = np.stack([_counted((codes == code) & known, first, length) for code in range(len(classes))], axis=1)
    return classes[counts.argmax(axis=1)], kept


def _counted(rows: NDArray[np.bool_], first: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return how many of so many rows from each first one are true."""
    total = np.concatenate([[0], np.cumsum(rows)])
    return np.asarray(total[first + length] - total[first])


def _amount(y: NDArray[np.float64], known: NDArray[np.bool_], target: WindowTarget) -> NDArray[np.float64]:
    """Return the amount of each window, shape (n,), from its labelled rows (n, samples); 0 without any."""
    if target == "mean":
        amounts = np.where(known, y, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    elif target == "max":
        amounts = np.where(known, y, -np.inf).max(axis=1)
    else:
        location = known.argmax(axis=1) if target == "first" else known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
        amounts = y[np.arange(len(y)), location]
    return np.where(known.any(axis=1), amounts, 0.0).astype(np.float64)
