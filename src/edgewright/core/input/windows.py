"""Rows cut into windows, all at once or as a stream gives them, and many samples a part at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgewright.schema.errors import InputError


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
        raise InputError("rows of channels, shape (rows, channels)", f"shape {values.shape}")
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
            raise InputError(f"rows of {self.channels} channels", f"shape {rows.shape}")
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
            raise InputError("at least 1", str(number), f"window.{name}")


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
