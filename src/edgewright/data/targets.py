"""Targets: text or numbers, and whether they are classes or amounts."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.core.errors import TargetNotNumericError
from edgewright.core.formatting import MISSING_LABELS, MISSING_NUMBERS, is_number
from edgewright.core.input.recordings import parts
from edgewright.core.records.data import Floats, Labels
from edgewright.data.row_spool import SpooledRows

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
