"""Windows that are cut when they are asked for: windows that overlap take no more memory than their rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.core.input.windows import parts
from edgewright.data.row_spool import SpooledRows
from edgewright.schema.data import Floats

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
