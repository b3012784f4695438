"""Where recordings, people and stretches without a gap begin in rows, by the columns that a package names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.core.clocks.reader import ClockReader, unreadable
from edgewright.core.clocks.units import FEWEST, RateGuard, gap_length, unit_spelled
from edgewright.core.csv.rows import Rows
from edgewright.core.errors import CsvNumberError, SampleShapeError
from edgewright.core.records.data import Floats
from edgewright.core.records.package import Manifest, RecordingColumns, WindowSpec

Texts = Mapping[str, NDArray[np.str_]]
# Steps that say what is usual.
_STEPS = 1000


def names_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the columns of people, recordings and times that a package names."""
    return names_in(columns_of(manifest))


def names_in(columns: RecordingColumns) -> tuple[str, ...]:
    """Return the names of columns that there are."""
    return tuple(name for name in (columns.group, columns.session, columns.time) if name)


def times_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the column of times that a package names."""
    time = columns_of(manifest).time
    return (time,) if time else ()


def columns_of(manifest: Manifest) -> RecordingColumns:
    """Return the columns that a package names, none for an older one."""
    return RecordingColumns() if manifest.recordings is msgspec.UNSET else manifest.recordings


def rate_in_training(manifest: Manifest) -> float | None:
    """Return the rows a second of a package's windows; None for rows that are judged alone."""
    return None if manifest.window is None else manifest.window.rate


class Boundaries:
    """Rows at which a recording, a person or a stretch without a gap begins, block by block.

    Args:
        columns: names of the columns that say so; a column that the rows do not have says nothing.
    """

    def __init__(self, columns: RecordingColumns) -> None:
        self._columns, self._named = columns, [name for name in (columns.group, columns.session) if name]
        self._last: dict[str, str] = {}
        self._steps: NDArray[np.float64] = np.empty(0)
        self._time, self._unread = float("nan"), 0
        self._clock = ClockReader(columns.time, columns.time_unit)
        self._guard = RateGuard(columns.rate, columns.time)

    def starts(self, cells: Texts, rows: int, file: Rows | None = None) -> list[int]:
        """Return the rows of a block that begin anew; the first of all rows is none of them.

        Args:
            cells: of the columns that say so, those that there are.
            rows: how many.
            file: the block as it was read, which may state the unit of times; None where there is no file.

        Raises:
            InputError: a recording whose rows come at another rate than those of the training, or cells of the
                column of times of which none is one.
        """
        change = np.zeros(rows, np.bool_)
        if file is not None and self._guard.where != file.name:
            self._guard.where, unit = file.name, unit_spelled(file.header.units.get(self._columns.time, ""))
            self._clock = ClockReader(self._columns.time, unit or self._columns.time_unit)
        for name in self._named:
            if rows and name in cells:
                names = np.concatenate([[self._last.get(name, "")], cells[name]])
                # A row without a name, such as a damaged line of a stream, belongs to the row before it.
                known = np.maximum.accumulate(np.where(names != "", np.arange(rows + 1), 0))
                names = names[known]
                change |= (names[1:] != names[:-1]) & (names[:-1] != "")
                self._last[name] = str(names[-1])
        if rows and self._columns.time in cells:
            change |= self._gaps(cells, change, file)
        return [int(row) for row in np.flatnonzero(change)]

    def _gaps(self, cells: Texts, change: NDArray[np.bool_], file: Rows | None) -> NDArray[np.bool_]:
        """Where time jumps; nowhere while fewer than two steps are known, or where cells are empty."""
        times = self._clock.ticks(cells[self._columns.time].tolist())
        self._refuse_unreadable(times, cells[self._columns.time].tolist(), file)
        # A cell without a time takes the one before it: the step over it is not lost.
        last = np.maximum.accumulate(np.where(np.isfinite(times), np.arange(len(times)), -1))
        filled = np.where(last >= 0, times[last], self._time)
        steps = np.diff(filled, prepend=self._time)
        self._time = float(filled[-1])
        measured = np.isfinite(times) & np.isfinite(steps) & ~change
        for begin, end in pairwise([0, *np.flatnonzero(change), len(times)] if self._columns.rate else ()):
            if change[begin]:
                self._guard.begin()
            names = [f"{name} {str(cells[name][begin])!r}" for name in self._named if name in cells]
            self._guard.push(steps[begin:end][measured[begin:end]] * self._clock.scale, names)
        known = steps[measured]
        if len(self._steps) < _STEPS:
            self._steps = np.concatenate([self._steps, known])[:_STEPS]
        return steps > (gap_length(self._steps) if len(self._steps) > 1 else np.inf)

    def _refuse_unreadable(self, times: NDArray[np.float64], cells: list[str], file: Rows | None) -> None:
        """Refuse cells of which none is a time: their gaps and their rate would go unseen.

        Raises:
            InputError: the first ones, or so many one after the other that a rate would show.
        """
        if np.isfinite(times).any():
            self._unread = 0
            return
        self._unread += len(times)
        if np.isfinite(self._time) and self._unread < FEWEST:
            return
        where = "" if file is None else f"{file.name} line {int(file.lines[0])}, "
        error = unreadable(cells, self._columns.time, self._columns.time_unit, where)
        if error is not None:
            raise error


def stretches(columns: RecordingColumns, cells: Texts, rows: int, file: Rows | None = None) -> list[tuple[int, int]]:
    """Return the first row and the end of each recording, person and stretch without a gap in rows.

    Raises:
        InputError: a recording whose rows come at another rate than those of the training.
    """
    return list(pairwise([0, *Boundaries(columns).starts(cells, rows, file), rows]))


def windows_of(
    values: Floats, columns: RecordingColumns, window: WindowSpec, cells: Texts, file: Rows | None = None
) -> tuple[Floats, list[tuple[int, int]]]:
    """Return the windows of rows, shape (n, channels, samples); the first row of each, and that of its recording.

    Raises:
        InputError: a recording whose rows come at another rate than those of the training.
    """
    windows: list[Floats] = [np.empty((0, values.shape[1], window.samples), np.float32)]
    first: list[tuple[int, int]] = []
    pad = window.pad and not window.fill_start and bool(names_in(columns))
    for begin, end in stretches(columns, cells, len(values), file):
        rows = padded(values[begin:end], window.samples) if pad and end > begin else values[begin:end]
        part, starts = cut(rows, window.samples, window.step, fill_start=window.fill_start)
        windows.append(part)
        first += [(begin + int(start), begin) for start in starts]
    return (windows[1] if len(windows) == 2 else np.concatenate(windows)), first


def padded(rows: Floats, samples: int) -> Floats:
    """Return the rows of a recording, zeros behind one that is shorter than a window, as in training."""
    missing = max(0, samples - len(rows))
    return np.concatenate([rows, np.zeros((missing, rows.shape[1]), np.float32)]) if missing else rows


class RecordingWindower:
    """Windows of a stream of rows that never span two recordings, people or sides of a gap.

    Args:
        manifest: of the package.
        window: of the package.
    """

    def __init__(self, manifest: Manifest, window: WindowSpec) -> None:
        self._window, self._channels = window, len(manifest.columns)
        columns = columns_of(manifest)
        self._boundaries = Boundaries(columns)
        self._pad = window.pad and not window.fill_start and bool(names_in(columns))
        self._rows = 0
        self._begin(0)

    def _begin(self, row: int) -> None:
        spec = self._window
        self._windower, self._origin, self._count = (
            Windower(spec.samples, spec.step, self._channels, fill_start=spec.fill_start), row, 0
        )  # fmt: skip

    def push(self, values: Floats, cells: Texts, file: Rows | None = None) -> Iterator[tuple[Floats, int]]:
        """Yield the windows that rows complete, and the row of all rows that each begins with, or ends with if filled.

        Args:
            values: shape (rows, channels).
            cells: of the columns of `names_of`, those that there are.
            file: the rows as they were read; None where there is no file.

        Raises:
            InputError: a recording whose rows come at another rate than those of the training.
        """
        starts = self._boundaries.starts(cells, len(values), file)
        for begin, end in pairwise([0, *starts, len(values)]):
            if begin in starts:
                yield from self.finish()
                self._begin(self._rows + begin)
            for window in self._windower.push(values[begin:end]):
                yield window, self._origin + self._count * self._window.step
                self._count += 1
        self._rows += len(values)

    def finish(self) -> Iterator[tuple[Floats, int]]:
        """Yield the window of a recording that ends before its first window does, where windows are padded."""
        rest = self._windower.rest
        if self._pad and not self._count and len(rest):
            yield np.ascontiguousarray(padded(rest, self._window.samples).T), self._origin


def cut(
    values: NDArray[np.float32], samples: int, step: int, *, fill_start: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut the rows of one recording into windows.

    Args:
        values: shape (rows, channels).
        samples: rows in a window.
        step: rows from the start of one window to the start of the next.
        fill_start: put `samples` - 1 copies of the first row before it, so that the first window ends with that row.

    Returns:
        Windows of shape (n, channels, samples), a read-only view of `values` or of its filled copy, and the first row
        of each, shape (n,), which is below 0 for a window that begins with copies. Rows at the end that fill no window
        are left out; n is 0 for fewer than `samples` rows.

    Raises:
        InputError: for `samples` or `step` below 1, or values that are not rows of channels.
    """
    _check(samples, step)
    if values.ndim != 2:
        raise SampleShapeError("rows of channels, shape (rows, channels)", f"shape {values.shape}")
    before = samples - 1 if fill_start and len(values) else 0
    if before:
        values = np.concatenate([np.repeat(values[:1], before, axis=0), values])
    if len(values) < samples:
        return np.empty((0, values.shape[1], samples), values.dtype), np.empty(0, np.int64)
    # sliding_window_view puts the window's axis last, which is the order a window has: (n, channels, samples).
    windows = sliding_window_view(values, samples, axis=0)[::step]
    return windows, np.arange(len(windows), dtype=np.int64) * step - before


class Windower:
    """Windows of a stream: the same ones as `cut` gives, however the rows arrive.

    Args:
        samples: rows in a window.
        step: rows from the start of one window to the start of the next.
        channels: columns of a row.
        fill_start: put copies of the first row before it, as `cut` does.

    Holds fewer than `samples` rows between calls, less when `step` is larger than `samples`.
    """

    KEPT = ("_held", "_skip", "next_start")

    def __init__(self, samples: int, step: int, channels: int, *, fill_start: bool = False) -> None:
        _check(samples, step)
        self.samples, self.step, self.channels, self.fill_start = samples, step, channels, fill_start
        self._held = np.empty((0, channels), np.float32)
        self._skip = 0
        self.next_start = 1 - samples if fill_start else 0

    @property
    def rest(self) -> NDArray[np.float32]:
        """Rows that have filled no window yet."""
        return self._held

    def push(self, rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take rows, shape (n, channels) or one row (channels,); give the windows they complete.

        Returns:
            Windows of shape (channels, samples), each an array of its own. `next_start` is then the number of the
            row, counted from 0 since the beginning, with which the next window begins; below 0 for a filled one.

        Raises:
            InputError: when a row has another number of channels.
        """
        rows = np.atleast_2d(np.asarray(rows, np.float32))
        if rows.ndim != 2 or rows.shape[1] != self.channels:
            raise SampleShapeError(f"rows of {self.channels} channels", f"shape {rows.shape}")
        passed = min(self._skip, len(rows))
        self._skip -= passed
        rows_held = np.concatenate([self._held, rows[passed:]])
        # The first row completes the first filled window, and so moves `next_start` on.
        if self.fill_start and len(rows_held) and self.next_start == 1 - self.samples:
            rows_held = np.concatenate([np.repeat(rows_held[:1], self.samples - 1, axis=0), rows_held])
        windows, starts = cut(rows_held, self.samples, self.step)
        # A step beyond the window leaves a gap: rows of the gap that have not come yet are skipped when they do.
        used = len(starts) * self.step
        self._skip += max(0, used - len(rows_held))
        self._held = rows_held[used:].copy()
        self.next_start += used
        return [np.array(window) for window in windows]


def _check(samples: int, step: int) -> None:
    for name, number in (("samples", samples), ("step", step)):
        if number < 1:
            raise CsvNumberError("at least 1", str(number), f"window.{name}")


# Values of layers take some times the memory of the samples themselves.
_BYTES = 32 * 2**20
ANSWERED_BYTES = 2**20
"""Bytes of samples that a model answers at once: values of its layers can take some hundred times as many."""


def parts(shape: tuple[int, ...], maximum: int = 4096, size_bytes: int = 0) -> Iterator[slice]:
    """Yield slices that follow one another; one, which is empty, where there are no samples.

    Args:
        shape: shape of the samples, their number first.
        maximum: samples in a part.
        size_bytes: of the samples in a part, at most; the usual ones for 0.
    """
    step = max(1, min(maximum, (size_bytes or _BYTES) // (4 * max(1, math.prod(shape[1:])))))
    for start in range(0, max(1, shape[0]), step):
        yield slice(start, min(start + step, shape[0]))
