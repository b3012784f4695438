"""Data that were read, kept in memory between requests up to a bound, with their stretches, gaps and windows."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.clocks.units import gap_length
from edgewright.core.errors import EdgewrightError, UploadError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import DataSet, Recording, Samples
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.targets import as_text, class_names, encode_target, labelled, task_of
from edgewright.studio.view.data_sources import Origin

MOST_BYTES = 768 * 1024 * 1024
"""Of all opened data together; the one asked for last is kept in any case."""
MOST_SAMPLES = 256 * 1024 * 1024
"""Bytes of the windows cut from one data set; of a larger one every k-th window is taken, and the page says so."""
# What is shown by itself where no run says how windows are cut, in seconds.
_USUAL = 2.0
_SHORTEST = 8


class Opened:
    """One data set with what pages derive from it.

    Attributes:
        origin: where it came from.
        dataset: as it was read.
        task: 'classification', 'regression', or empty without labels.
        classes: in the order of their colours.
        kept: what pages compute once, by a name of theirs.
    """

    def __init__(self, origin: Origin, dataset: DataSet) -> None:
        self.origin, self.dataset = origin, dataset
        targets = [np.unique(r.target) for r in dataset.recordings if r.target is not None and len(r.target)]
        text = any(np.asarray(t).dtype.kind in "US" for t in targets)
        known = np.concatenate([as_text(t) if text else t for t in targets]) if targets else np.empty(0)
        known = known[labelled(known)] if len(known) else known
        self.task = task_of(known, origin.task) if len(known) else ""
        self.classes = class_names(known) if self.task == "classification" else ()
        self.kept: dict[Any, Any] = {}
        self.every = 1
        self._samples: Samples | str | None = None
        self._lock = threading.Lock()

    def labels(self, recording: Recording) -> NDArray[np.str_] | None:
        """Return classes of a recording's rows as text, '' where there is none; None without labels or for amounts."""
        if recording.target is None or self.task != "classification":
            return None
        return as_text(recording.target)

    def window(self) -> WindowConfig | None:
        """How windows are cut: as the run does it, as the address says, else two seconds where a rate is known."""
        if self.origin.window is not None or self.origin.run is not None:
            return self.origin.window
        rate = self.dataset.rate
        longest = max(len(r.values) for r in self.dataset.recordings)
        # A value a minute is no wave: its rows are looked at one by one.
        if not rate or min(longest, rate * _USUAL) < _SHORTEST:
            return None
        return WindowConfig(samples=min(longest, round(rate * _USUAL)), within="recording", pad=True)

    def samples(self) -> tuple[Samples | None, str]:
        """Return the rows or windows that a model would learn from, or why there are none."""
        with self._lock:
            if self._samples is None:
                try:
                    self._samples = self._cut()
                except (EdgewrightError, MemoryError) as error:
                    self._samples = str(error) or "not enough memory"
            cut_samples = self._samples
        return (None, cut_samples) if isinstance(cut_samples, str) else (cut_samples, "")

    def _cut(self) -> Samples:
        samples, self.every = cut_some(self.dataset, self.window(), MOST_SAMPLES)
        return msgspec.structs.replace(samples, y=encode_target(samples.y, task_of(samples.y, self.origin.task)))

    def once(self, key: Any, make: Any) -> Any:  # noqa: ANN401 - of any page
        """Return what `make` gave the first time it was asked for under this key."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def size(self) -> int:
        """Return bytes of the arrays."""
        total = 0
        for recording in self.dataset.recordings:
            parts = (recording.values, recording.target, recording.groups, recording.sessions, recording.time)
            # A label that is said once for a whole file takes no room for each of its rows.
            total += sum(p.nbytes if 0 not in p.strides else p.itemsize for p in parts if isinstance(p, np.ndarray))
        if isinstance(self._samples, Samples):
            total += self._samples.X.nbytes
        return total


def cut_some(dataset: DataSet, window: WindowConfig | None, maximum: int) -> tuple[Samples, int]:
    """Return the samples of data, every k-th window where all are more than `maximum` bytes, and k."""
    every = 1
    if window is not None:
        step = window.step or max(1, window.samples // 2)
        size = 4 * sum(len(r.values) for r in dataset.recordings) / step * window.samples * len(dataset.columns)
        every = max(1, math.ceil(size / maximum))
        window = msgspec.structs.replace(window, step=step * every)
    return cut(dataset, window), every


class Shelf:
    """Opened data by their origin, the latest ones up to `MOST_BYTES`."""

    def __init__(self, maximum: int = MOST_BYTES) -> None:
        self.maximum = maximum
        self._kept: OrderedDict[str, tuple[tuple[int, ...], Opened]] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def open(self, origin: Origin) -> Opened:
        """Return the data of an origin; two requests for the same read them once.

        Raises:
            InputError: as the loader says it.
        """
        key = repr(
            (origin.kind, origin.location, origin.options, origin.path, origin.table.get("kind"), str(origin.run))
        )
        with self._lock:
            mine = self._locks.setdefault(key, threading.Lock())
        with mine:
            mark = stamp(origin)
            with self._lock:
                old = self._kept.get(key)
                if old is not None and old[0] == mark:
                    self._kept.move_to_end(key)
                    self._tidy()
                    return old[1]
            opened = Opened(origin, _load(origin))
            with self._lock:
                self._kept[key] = (mark, opened)
                self._kept.move_to_end(key)
                self._tidy()
            return opened

    def _tidy(self) -> None:
        while len(self._kept) > 1 and sum(opened.size() for _, opened in self._kept.values()) > self.maximum:
            self._kept.popitem(last=False)


def _load(origin: Origin) -> DataSet:
    try:
        dataset = load_data(origin.table, seed=origin.seed, path=origin.path, where=origin.name)
    except MemoryError:
        raise UploadError("data that fit into memory", "more", origin.name, "Open a part of them") from None
    if not any(len(r.values) for r in dataset.recordings):
        raise UploadError("rows", "none", origin.name)
    return dataset


def stamp(origin: Origin) -> tuple[int, ...]:
    """Change when files do: their number, sizes and latest time; also of the labels file and the run's record."""
    named = [Path(str(origin.table[key])) for key in ("labels",) if origin.table.get(key)]
    places = [Path(origin.path)] if origin.path else []
    if places and places[0].is_dir():
        places += [p for p in places[0].rglob("*") if p.is_file()]
    states = []
    for path in (*places, *named, *([origin.run / "trace.json"] if origin.run else [])):
        try:
            states.append(path.stat())
        except OSError:
            continue
    return len(states), sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)


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
    return np.flatnonzero(steps > gap_length(steps))


def seconds_at(dataset: DataSet, recording: Recording, row: float) -> float | None:
    """Return time of a row since the first, None where none is known; between rows in proportion."""
    if recording.time is not None and len(recording.time):
        return float(np.interp(row, np.arange(len(recording.time)), recording.time))
    return row / dataset.rate if dataset.rate else None


def lines(opened: Opened) -> list[Line]:
    """All recordings for the list."""
    dataset = opened.dataset
    listed = []
    for number, recording in enumerate(dataset.recordings, 1):
        labels = opened.labels(recording)
        counts: Counter[str] = Counter()
        for stretch in [] if labels is None else opened.once(("stretches", number), lambda it=labels: stretches(it)):
            counts[stretch.label] += stretch.end - stretch.first
        groups = () if recording.groups is None else tuple(str(g) for g in _different(recording.groups))
        rows = len(recording.values)
        lasted = seconds_at(dataset, recording, rows - 1)
        listed.append(
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
    return listed


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
    located: Windows = opened.once("windows", lambda: windows(opened.dataset, samples, fill_start=filled))
    return located
