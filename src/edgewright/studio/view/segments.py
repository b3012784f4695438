"""Recordings as stretches: of one label, between gaps in time, and the windows that lie in them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.rates import GAP
from edgewright.schema.data import DataSet, Recording, Samples
from edgewright.studio.view.data_cache import Opened


@dataclass(frozen=True)
class Stretch:
    """Rows from `first` up to, but not with, `end` of one label."""

    first: int
    end: int
    label: str


@dataclass(frozen=True)
class Line:
    """A recording in the list.

    Attributes:
        number: from 1.
        seconds: None where no time is known.
        counts: rows by label, the most first; `unlabelled` rows beside.
        gaps: jumps in time.
        missing: values.
    """

    number: int
    name: str
    groups: tuple[str, ...]
    rows: int
    seconds: float | None
    counts: tuple[tuple[str, int], ...]
    unlabelled: int
    gaps: int
    missing: int


def stretches(labels: NDArray[np.str_]) -> list[Stretch]:
    """Return the stretches of labelled rows, in order."""
    if not len(labels):
        return []
    if 0 in labels.strides:
        return [Stretch(0, len(labels), str(labels[0]))] if labels[0] else []
    edges = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1, [len(labels)]]).tolist()
    return [Stretch(a, b, str(labels[a])) for a, b in pairwise(edges) if labels[a]]


def gaps(recording: Recording) -> NDArray[np.int64]:
    """Return rows after which time jumps, as windows see it."""
    time = recording.time
    if time is None or len(time) < 3:
        return np.empty(0, np.int64)
    steps = np.diff(time)
    usual = float(np.median(steps))
    return np.flatnonzero(steps > GAP * usual) if usual > 0 else np.empty(0, np.int64)


def seconds_at(dataset: DataSet, recording: Recording, row: float) -> float | None:
    """Return time of a row since the first, None where none is known; between rows in proportion."""
    if recording.time is not None and len(recording.time):
        return float(np.interp(row, np.arange(len(recording.time)), recording.time))
    return row / dataset.rate if dataset.rate else None


def lines(opened: Opened) -> list[Line]:
    """All recordings for the list."""
    dataset = opened.dataset
    found = []
    for number, recording in enumerate(dataset.recordings, 1):
        labels = opened.labels(recording)
        counts: Counter[str] = Counter()
        for stretch in [] if labels is None else opened.once(("stretches", number), lambda it=labels: stretches(it)):
            counts[stretch.label] += stretch.end - stretch.first
        groups = () if recording.groups is None else tuple(str(g) for g in _different(recording.groups))
        rows = len(recording.values)
        lasted = seconds_at(dataset, recording, rows - 1)
        found.append(
            Line(
                number=number,
                name=recording.name,
                groups=groups,
                rows=rows,
                seconds=lasted,
                counts=tuple(counts.most_common()),
                gaps=len(gaps(recording)),
                unlabelled=rows - sum(counts.values()) if opened.classes else 0,
                missing=int(np.isnan(recording.values).sum()),
            )
        )
    return found


def _different(values: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the different values; a value said once for a whole file is not sorted."""
    return values[:1] if 0 in values.strides else np.unique(values)


@dataclass(frozen=True)
class Windows:
    """Where samples lie: index of the recording and first row in it, shape (n,) each; `length` in rows.

    A window that begins with copies of the first row of a recording begins before it, below 0.
    """

    recording: NDArray[np.int64]
    row: NDArray[np.int64]
    length: int

    def within(self, recording: int, first: int, end: int) -> NDArray[np.int64]:
        """Return numbers of the samples of a recording that overlap rows `first` to `end`."""
        hit = (self.recording == recording) & (self.row < end) & (self.row + self.length > first)
        return np.flatnonzero(hit)


def windows(dataset: DataSet, samples: Samples, *, fill_start: bool = False) -> Windows:
    """Where the samples lie: a sample says its session and the place in it, which may go on over recordings.

    Args:
        dataset: that the samples are of.
        samples: rows, windows or pictures.
        fill_start: whether windows begin with copies of a first row; then the last row says where a window lies.
    """
    pieces: defaultdict[str, list[tuple[int, NDArray[np.int64]]]] = defaultdict(list)
    for index, recording in enumerate(dataset.recordings):
        if recording.sessions is None or 0 in recording.sessions.strides:
            name = recording.name if recording.sessions is None else str(recording.sessions[0])
            pieces[name].append((index, np.arange(len(recording.values), dtype=np.int64)))
            continue
        names, inverse = np.unique(recording.sessions, return_inverse=True)
        for position, name in enumerate(names):
            pieces[str(name)].append((index, np.flatnonzero(inverse == position)))
    owner, row = np.full(len(samples.X), -1, np.int64), np.zeros(len(samples.X), np.int64)
    names, inverse = np.unique(samples.sessions, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    length = samples.X.shape[2] if samples.X.ndim == 3 else 1
    ahead = length - 1 if fill_start else 0
    known = samples.starts + ahead
    for position, mine in enumerate(np.split(order, np.cumsum(np.bincount(inverse, minlength=len(names)))[:-1])):
        before = 0
        for index, rows in pieces.get(str(names[position]), []):
            hit = mine[(known[mine] >= before) & (known[mine] < before + len(rows))]
            owner[hit], row[hit] = index, rows[known[hit] - before] - ahead
            before += len(rows)
    return Windows(owner, row, length)


def placed(opened: Opened) -> tuple[Samples | None, Windows | None, str]:
    """Return samples and where they lie, or why there are none."""
    samples, why = opened.samples()
    if samples is None:
        return None, None, why
    return samples, windows_of(opened, samples), ""


def windows_of(opened: Opened, samples: Samples) -> Windows:
    """Return where the samples of opened data lie; found once."""
    window = opened.window()
    filled = window is not None and window.fill_start
    found: Windows = opened.once("windows", lambda: windows(opened.dataset, samples, fill_start=filled))
    return found
