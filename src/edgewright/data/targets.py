"""Targets: text or numbers, whether they are classes or amounts; and rows that are spooled to a file."""

from __future__ import annotations

import ast
import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.core.errors import OutputError, TargetNotNumericError
from edgewright.core.formatting import MISSING_LABELS, MISSING_NUMBERS, is_number
from edgewright.core.input.recordings import parts
from edgewright.core.records.data import Floats, Labels

# More whole numbers than this are an amount (a count, an age), not classes, unless the pipeline says otherwise.
MOST_WHOLE_CLASSES = 20
# Rows of a column of text that are sorted at once.
_PART_ROWS = 4096


def read_target(text: NDArray[np.str_], text_labels: Sequence[str] = ()) -> Any:  # noqa: ANN401 - text or float64
    """Return a column of text as a target: float64 with NaN where missing if every value is a number, else labels.

    Args:
        text: shape (rows,); empty, `nan`, `NA`, `n/a`, `null`, `?` and `unavailable` count as missing, '' in the
            labels. Among amounts every spelling of a missing number does.
        text_labels: labels that are text as they are, such as `01` and `NA`.
    """
    texts, codes = coded(text)
    clean = np.char.strip(texts)
    labels = np.where(np.isin(np.char.lower(clean), list(MISSING_LABELS)), "", clean)
    if text_labels and (kept := np.isin(texts, text_labels)).any():
        return np.where(kept, texts, labels)[codes]
    try:
        return np.where(labels == "", "nan", labels).astype(np.float64)[codes]
    except ValueError:
        missing = np.isin(np.char.lower(clean), list(MISSING_NUMBERS))
        if (~missing).sum() <= MOST_WHOLE_CLASSES or not all(map(is_number, clean[~missing].tolist())):
            return labels[codes]
        return np.where(missing, "nan", clean).astype(np.float64)[codes]


def coded(text: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """Return the different texts of a column in their order, and the place of each row's among them.

    It is `np.unique`, a part at a time: a column of many rows is not copied and sorted.
    """
    places: dict[str, int] = {}
    codes = np.empty(len(text), np.int32)
    for start in range(0, len(text), _PART_ROWS):
        part, own = np.unique(text[start : start + _PART_ROWS], return_inverse=True)
        known = np.array([places.setdefault(name, len(places)) for name in part.tolist()], np.int32)
        codes[start : start + _PART_ROWS] = known[own]
    texts = np.array(list(places), text.dtype)
    order = np.argsort(texts)
    ranks = np.empty(len(texts), np.int32)
    ranks[order] = np.arange(len(texts), dtype=np.int32)
    return texts[order], ranks[codes]


def counted(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values of a target in their order, and how many rows have each.

    Args:
        y: shape (rows,), text or numbers.
    """
    if y.dtype.kind != "U":
        return np.unique(y, return_counts=True)
    texts, codes = coded(y)
    return texts, np.bincount(codes, minlength=len(texts))


def written_labels(labels: Sequence[str]) -> dict[str, str]:
    """Return the text of each label that is written as Python text, `'01'` for 01, and how it is written."""
    texts: dict[str, str] = {}
    for label in labels:
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            text = ast.literal_eval(label) if label[:1] in ("'", '"') else None
            texts |= {text: label} if isinstance(text, str) and repr(text) == label else {}
    return texts


def as_text(y: Any) -> Labels:  # noqa: ANN401 - text or numbers
    """Label as text: whole numbers without a point ('3'), true and false in lower case, NaN as ''."""
    values = np.asarray(y)
    if values.dtype.kind in "US":
        return np.asarray(values.astype(np.str_, copy=False))
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    if values.dtype.kind in "iu":
        return np.asarray(values.astype(np.str_))
    kinds, where = np.unique(values.astype(np.float64), return_inverse=True)
    names = [
        "" if np.isnan(v) else str(int(v)) if v == np.round(v) and abs(v) < 1e15 else repr(float(v)) for v in kinds
    ]
    return np.array(names, dtype=np.str_)[where] if names else np.empty(0, dtype=np.str_)


def labelled(y: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - text or float64
    """Which rows carry a label: shape (rows,); no array of its own where one label is that of all."""
    values = np.asarray(y)
    if values.ndim == 1 and values.strides == (0,) and len(values) > 1:
        return np.broadcast_to(labelled(values[:1].copy()), values.shape)
    return np.asarray(values != "") if values.dtype.kind == "U" else ~np.isnan(values.astype(np.float64))


def task_of(y: Any, task: str = "auto") -> str:  # noqa: ANN401 - text or numbers
    """'classification', 'regression', 'detection' or 'anomaly'.

    Args:
        y: shape (n,), text, true/false or numbers.
        task: 'auto' takes classification for text, true/false and at most 20 different whole numbers; 'detection' and
            'anomaly' are never chosen by themselves.

    Raises:
        InputError: for regression on text.
    """
    values = np.asarray(y)
    numeric = values.dtype.kind in "fiu"
    if task == "regression" and not numeric:
        raise TargetNotNumericError("numbers in the target of a regression", f"text such as {str(values[0])!r}", "task")
    if task != "auto":
        return task
    if not numeric:
        return "classification"
    known = values.astype(np.float64)
    known = known[~np.isnan(known)]
    whole = bool(np.all(known == np.round(known)))
    return "classification" if whole and len(np.unique(known)) <= MOST_WHOLE_CLASSES else "regression"


def encode_target(y: Any, task: str = "auto") -> Any:  # noqa: ANN401 - text or float64
    """Return the target as its task needs it: text for classes and objects, float64 for regression."""
    if task_of(y, task) != "regression":
        return as_text(y)
    return np.asarray(y, dtype=np.float64)


def class_names(y: Any) -> tuple[str, ...]:  # noqa: ANN401 - text or numbers
    """Sort class names: numbers by size ('2' before '10'), other text alphabetically."""
    names = [str(name) for name in np.unique(as_text(y)) if name]
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(names)


def class_codes(y: Any, classes: tuple[str, ...]) -> NDArray[np.int64]:  # noqa: ANN401 - text or numbers
    """Index of each label in `classes`: shape (n,); -1 for a label that is not among them."""
    text = as_text(y)
    if not classes:
        return np.full(len(text), -1, dtype=np.int64)
    order = np.argsort(np.array(classes))
    location = np.searchsorted(np.array(classes)[order], text).clip(0, len(classes) - 1)
    codes = order[location]
    return np.where(np.array(classes)[codes] == text, codes, -1).astype(np.int64)


# Windows beyond this many bytes are cut when they are asked for.
CUT_BYTES = 2**28


@dataclass(frozen=True)
class WindowViews:
    """Windows of rows in memory; as much of an array as a pipeline needs.

    Attributes:
        views: of each recording all windows, shape (windows, channels, samples), without memory of their own.
        owners: shape (n,), which recording each window is of.
        first: shape (n,), its first row there.
        channels, samples: of a window behind the steps.
        steps: fitted stages that windows pass through when they are cut.
        nbytes: of memory of their own.
    """

    views: tuple[Floats, ...]
    owners: NDArray[np.int32]
    first: NDArray[np.int64]
    channels: int
    samples: int
    steps: tuple[Any, ...] = ()
    nbytes: int = 0

    dtype = np.dtype(np.float32)
    ndim = 3

    @classmethod
    def of(cls, rows: Sequence[Floats], owners: NDArray[np.int32], first: NDArray[np.int64], samples: int) -> Any:  # noqa: ANN401
        """Return windows of recordings.

        Args:
            rows: of each recording, shape (rows, channels).
            owners: shape (n,), which recording each window is of.
            first: shape (n,), its first row there; all its rows are.
            samples: rows in a window.
        """
        views = tuple(sliding_window_view(values, samples, axis=0) for values in rows)
        return cls(views, owners, first, rows[0].shape[1], samples)

    @classmethod
    def cut_already(cls, X: Floats) -> Any:  # noqa: ANN401
        """Return windows in memory, shape (n, channels, samples), which pass through stages when they are asked for."""
        count, channels, samples = X.shape
        return cls((X,), np.zeros(count, np.int32), np.arange(count), channels, samples, nbytes=X.nbytes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Windows, channels and samples."""
        return len(self.first), self.channels, self.samples

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, which: Any) -> Any:  # noqa: ANN401 - as of an array
        if isinstance(which, tuple):
            own, *rest = which
            if own is Ellipsis:
                return self[:][which]
            whole = isinstance(own, int | np.integer)
            return self[own][tuple(rest) if whole else (slice(None), *rest)]
        if isinstance(which, int | np.integer):
            return self[[int(which)]][0]
        return self._cut(np.arange(len(self))[which])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        """All windows in memory, for who cannot do without."""
        whole = not self.steps and self.nbytes == self.views[0].nbytes and len(self) == len(self.views[0])
        return np.asarray(self.views[0] if whole else self[:], dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the rows of the windows, or as windows where these take less: views would be copied whole."""
        if self.nbytes or not len(self):
            return WindowViews.cut_already, (np.asarray(self),)
        owners, first, rows = self.owners.copy(), self.first.copy(), list[Floats]()
        for group in self._groups(self.owners):
            start, end = int(first[group].min()), int(first[group].max()) + 1
            view = self.views[self.owners[group[0]]][start:end]
            owners[group], first[group] = len(rows), first[group] - start
            rows.append(np.concatenate([view[:, :, 0], view[-1, :, 1:].T]))
        if 4 * math.prod(self.shape) <= sum(values.nbytes for values in rows):
            return WindowViews.cut_already, (np.asarray(self),)
        return _arrived, (rows, owners, first, self.views[0].shape[2], self.steps)

    def part(self, indices: NDArray[np.int64]) -> WindowViews:
        """Return some of the windows, still to be cut."""
        return replace(self, owners=self.owners[indices], first=self.first[indices])

    def through(self, fitted: Any) -> WindowViews:  # noqa: ANN401 - any transformer
        """Return the windows as a fitted stage gives them, which gives windows, too."""
        channels, samples = np.shape(fitted.transform(self[:1]))[1:]
        return replace(self, channels=channels, samples=samples, steps=(*self.steps, fitted))

    def pieces(self) -> Iterator[Floats]:
        """All windows in order, a piece at a time."""
        for piece in parts(self.shape):
            yield self[piece]

    @staticmethod
    def _groups(owners: NDArray[np.int32]) -> list[NDArray[np.int64]]:
        """Return the places of each owner's windows; of one window at least."""
        order = np.argsort(owners, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(owners[order])) + 1)

    def _cut(self, places: NDArray[np.int64]) -> Floats:
        X = np.empty((len(places), *self.views[0].shape[1:]), np.float32)
        owners, first = self.owners[places], self.first[places]
        for group in self._groups(owners) if len(places) else ():
            X[group] = self.views[owners[group[0]]][first[group]]
        for fitted in self.steps:
            X = np.asarray(fitted.transform(X), np.float32)
        return X


def _arrived(
    rows: Sequence[Floats], owners: NDArray[np.int32], first: NDArray[np.int64], length: int, steps: tuple[Any, ...]
) -> WindowViews:
    """Return windows from another process."""
    windows: WindowViews = WindowViews.of(rows, owners, first, length)
    for fitted in steps:
        windows = windows.through(fitted)
    return windows


def in_pieces(X: object) -> SpooledRows | WindowViews | None:
    """Return samples that are made when they are asked for: rows on disk, windows; None for an array."""
    return X if isinstance(X, SpooledRows | WindowViews) else None


def some_in_memory(X: Any, maximum: int) -> Any:  # noqa: ANN401 - samples of any kind
    """Return samples of an array, all of them; of others so many, at even steps."""
    return X if in_pieces(X) is None else X[:: max(1, len(X) // maximum)]


# What is read or written at once; a few copies of it exist at a time.
PIECE_BYTES = 8 * 2**20
PIECE_ROWS = 65_536
# Rows that lie so near each other in the file are read together with what is between them.
_GAP_BYTES = 16_384


def piece_rows(row_bytes: int) -> int:
    """How many rows are read, transformed or answered at once: a power of two."""
    maximum = max(1, min(PIECE_ROWS, PIECE_BYTES // max(1, row_bytes)))
    return 1 << (maximum.bit_length() - 1)


class _File:
    """A file without a name, closed (and its room on disk given back) with the last rows that refer to it."""

    def __init__(self, folder: Path) -> None:
        with tempfile.TemporaryFile(dir=folder) as file:
            self.number = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.number)


class Spool:
    """The file while it is written.

    Args:
        folder: where it lies; it never has a name there, so a killed process leaves nothing.
        columns: of every row.
        rows: how many there will be, at least.

    Raises:
        OutputError: the disk has no room for them.
    """

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.columns = columns
        self.folder = folder
        self.wanted = rows * columns * 4
        self.count = 0
        free = shutil.disk_usage(folder).free
        if free < self.wanted:
            raise self._full(f"{free / 1e9:.2f} GB free")
        self._file = _File(folder)

    def append(self, values: Floats) -> None:
        """Write rows of shape (n, columns).

        Raises:
            OutputError: the disk is full.
        """
        given = memoryview(np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            while given:
                given = given[os.write(self._file.number, given) :]
        except OSError as error:
            self.wanted = max(self.wanted, (self.count + len(values)) * self.columns * 4)
            raise self._full(error.strerror or str(error)) from None
        self.count += len(values)

    def rows(self, start: int = 0, end: int | None = None) -> SpooledRows:
        """Return the rows from `start` to `end`, once they are written."""
        return SpooledRows(self._file, self.columns, np.arange(start, self.count if end is None else end))

    def _full(self, got: str) -> OutputError:
        return OutputError(
            f"room for {self.wanted / 1e9:.2f} GB of rows that are read in parts", got, str(self.folder),
            "Temporary files were removed; free some space, or name another folder with --out",
        )  # fmt: skip


class SpooledRows:
    """Rows of a spool that are read when they are asked for; as much of an array as a pipeline needs.

    Args:
        file: of the spool, float32, row by row.
        columns: of every row.
        places: which rows of the file, in order.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, file: _File, columns: int, places: NDArray[np.int64]) -> None:
        self._file, self._columns, self._places = file, columns, places

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self._places), self._columns

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, which: Any) -> Floats:  # noqa: ANN401 - as of an array: a row, a slice, indices or a mask
        if isinstance(which, int | np.integer):
            row: Floats = self._read(self._places[int(which)][None])[0]
            return row
        return self._read(self._places[which])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        """All rows in memory, for who cannot do without."""
        return np.asarray(self[:], dtype)

    def part(self, indices: NDArray[Any]) -> SpooledRows:
        """Return some of the rows, still in the file."""
        return SpooledRows(self._file, self._columns, self._places[indices])

    def pieces(self) -> Iterator[Floats]:
        """All rows in order, a piece at a time."""
        step = piece_rows(4 * self._columns)
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def _read(self, places: NDArray[np.int64]) -> Floats:
        """Return rows of the file in any order; what lies close together is read at once."""
        rows = np.empty((len(places), self._columns), np.float32)
        if not len(places):
            return rows
        width = 4 * self._columns
        order = np.argsort(places, kind="stable")
        near = places[order]
        borders = np.flatnonzero(np.diff(near) * width > _GAP_BYTES + width) + 1
        step = piece_rows(width)
        for run in np.split(np.arange(len(near)), borders):
            at = 0
            while at < len(run):
                end = int(np.searchsorted(near[run], near[run[at]] + step))
                part, at = run[at:end], end
                first, last = int(near[part[0]]), int(near[part[-1]])
                data = self._bytes(first * width, (last - first + 1) * width)
                rows[order[part]] = data.reshape(-1, self._columns)[near[part] - first]
        return rows

    def _bytes(self, offset: int, size: int) -> Floats:
        data = np.empty(size // 4, np.float32)
        view = memoryview(data.view(np.uint8))  # type: ignore[arg-type]
        while view:
            read = os.preadv(self._file.number, [view], offset)
            if not read:
                raise OutputError("the rows that were written to disk", "the end of the file", "rows read in parts")
            view, offset = view[read:], offset + read
        return data


def in_file(X: object) -> SpooledRows | None:
    """Return samples that lie on disk; None for an array."""
    return X if isinstance(X, SpooledRows) else None


def joined(values: Sequence[Any], keep: Sequence[NDArray[np.bool_]]) -> Any:  # noqa: ANN401 - arrays or spooled rows
    """Return the kept rows of several recordings, in one array or still in their files; one kept whole as is."""
    if values and all(isinstance(rows, SpooledRows) for rows in values):
        places = np.concatenate([rows._places[kept] for rows, kept in zip(values, keep, strict=True)])
        return SpooledRows(values[0]._file, values[0]._columns, places)
    if len(values) == 1 and keep[0].all():
        return values[0]
    return np.concatenate([rows[kept] for rows, kept in zip(values, keep, strict=True)])
