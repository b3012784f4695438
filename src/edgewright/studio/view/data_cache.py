"""Data that were read, kept in memory between requests up to a bound; read again when their files change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.targets import as_text, class_names, encode_target, labelled, task_of
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Recording, Samples
from edgewright.schema.errors import EdgewrightError, InputError
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
            found = self._samples
        return (None, found) if isinstance(found, str) else (found, "")

    def _cut(self) -> Samples:
        window = self.window()
        if window is not None:
            step = window.step or max(1, window.samples // 2)
            rows = sum(len(r.values) for r in self.dataset.recordings)
            size = rows / step * window.samples * len(self.dataset.columns) * 4
            self.every = max(1, int(np.ceil(size / MOST_SAMPLES)))
            if self.every > 1:
                window = msgspec.structs.replace(window, step=step * self.every)
        samples = cut(self.dataset, window)
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


class Shelf:
    """Opened data by their origin, the latest ones up to `MOST_BYTES`."""

    def __init__(self, maximum: int = MOST_BYTES) -> None:
        self.most = maximum
        self._kept: OrderedDict[str, tuple[tuple[int, ...], Opened]] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def open(self, origin: Origin) -> Opened:
        """Return the data of an origin; two requests for the same read them once.

        Raises:
            InputError: as the loader says it.
        """
        key = repr((origin.kind, origin.place, origin.said, origin.path, origin.table.get("kind"), str(origin.run)))
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
        while len(self._kept) > 1 and sum(opened.size() for _, opened in self._kept.values()) > self.most:
            self._kept.popitem(last=False)


def _load(origin: Origin) -> DataSet:
    try:
        dataset = load_data(origin.table, seed=origin.seed, path=origin.path, where=origin.name)
    except MemoryError:
        raise InputError("data that fit into memory", "more", origin.name, "Open a part of them") from None
    if not any(len(r.values) for r in dataset.recordings):
        raise InputError("rows", "none", origin.name)
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
