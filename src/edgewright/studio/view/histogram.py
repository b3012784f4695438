"""How the values of every channel are spread: a histogram of all rows and one for each class, missing values, range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import number
from edgewright.data.targets import class_codes
from edgewright.schema.data import Column, Floats
from edgewright.studio.view.data_cache import Opened

BINS = 60
MOST_ROWS = 1_000_000
"""Rows that are counted; of more every k-th is, and the page says so."""
A_PAGE = 12
# What lies further out than these shares of the values would squeeze all else into a few bars.
_TAILS = (0.001, 0.999)


@dataclass(frozen=True)
class Part:
    """Values of one class (or all): their number, median and bars as the `d` of an SVG path."""

    label: str
    colour: int
    count: int
    median: float | None
    d: str


@dataclass(frozen=True)
class Spread:
    """A channel.

    Attributes:
        low, high: between which the bars stand; `beyond` values lie outside.
        mean, deviation, least, most: of all values that are there.
        missing: share of the rows without a value.
        outside: share of the values outside the declared range, None where none is declared.
        parts: all rows first, then each class.
    """

    column: Column
    low: float
    high: float
    beyond: int
    least: float
    most: float
    mean: float
    deviation: float
    missing: float
    outside: float | None
    parts: tuple[Part, ...]

    @property
    def sentence(self) -> str:
        """The picture in words."""
        middle = "; ".join(f"{p.label or 'all rows'} about {number(p.median)}" for p in self.parts[:9])
        return f"{self.column.name} from {number(self.least)} to {number(self.most)}; medians: {middle}"


def spreads(opened: Opened, first: int) -> tuple[list[Spread], int]:
    """Return the channels from `first` on that fit on a page, and the step between counted rows."""
    recordings = opened.dataset.recordings
    rows = sum(len(r.values) for r in recordings)
    step = max(1, -(-rows // MOST_ROWS))
    codes = opened.once("codes", lambda: _codes(opened, step))
    found = []
    for index in range(first, min(first + A_PAGE, len(opened.dataset.columns))):
        values = np.concatenate([r.values[::step, index] for r in recordings])
        found.append(spread_of(values, codes, opened.classes, opened.dataset.columns[index]))
    return found, step


def _codes(opened: Opened, step: int) -> NDArray[np.int64] | None:
    """Return the number of the class of every counted row, -1 without one; None without classes."""
    if not opened.classes:
        return None
    parts = []
    for recording in opened.dataset.recordings:
        count = len(recording.values[::step])
        labels = opened.labels(recording)
        if labels is None:
            parts.append(np.full(count, -1, np.int64))
        elif 0 in labels.strides:
            parts.append(np.full(count, class_codes(labels[:1], opened.classes)[0], np.int64))
        else:
            parts.append(class_codes(labels[::step], opened.classes))
    return np.concatenate(parts)


def spread_of(values: Floats, codes: NDArray[np.int64] | None, classes: tuple[str, ...], column: Column) -> Spread:
    """Return how values of one channel or feature are spread, of all rows and of each class.

    Args:
        values: shape (n,), NaN where missing.
        codes: number of the class of each value, -1 without one; None without classes.
        classes: by their numbers.
        column: its name, unit and declared range.
    """
    there = np.isfinite(values)
    known = values[there].astype(np.float64)
    if not len(known):
        return Spread(column, 0, 1, 0, np.nan, np.nan, np.nan, np.nan, 1.0, None, ())
    low, high = (float(v) for v in np.quantile(known, _TAILS))
    if low == high:
        low, high = float(known.min()), float(known.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    bins = np.clip(((known - low) / (high - low) * BINS).astype(np.int64), 0, BINS - 1)
    beyond = (known < low) | (known > high)
    parts = [_part("", 0, known, bins[~beyond])]
    if codes is not None:
        mine = codes[there]
        parts += [_part(name, i, known[mine == i], bins[(mine == i) & ~beyond]) for i, name in enumerate(classes)]
    return Spread(
        column=column, low=low, high=high, beyond=int(beyond.sum()), least=float(known.min()), most=float(known.max()),
        mean=float(known.mean()), deviation=float(known.std()), missing=1 - len(known) / len(values),
        outside=_outside(known, column), parts=tuple(parts),
    )  # fmt: skip


def _outside(known: NDArray[np.float64], column: Column) -> float | None:
    if column.minimum is None and column.maximum is None:
        return None
    low = -np.inf if column.minimum is None else column.minimum
    high = np.inf if column.maximum is None else column.maximum
    return float(((known < low) | (known > high)).mean())


def _part(label: str, colour: int, values: NDArray[np.float64], bins: NDArray[np.int64]) -> Part:
    """Bars as high as the fullest one of this part: a rare class is seen as well as a frequent one."""
    counts = np.bincount(bins, minlength=BINS)
    tallest = int(counts.max()) or 1
    # A bar that stands for something is never invisible.
    heights = np.where(counts > 0, np.maximum(100 * counts / tallest, 2), 0).round(1).tolist()
    bars = "".join(f"M{i} 100v{-h:g}h.9v{h:g}z" for i, h in enumerate(heights) if h)
    return Part(label, colour, len(values), float(np.median(values)) if len(values) else None, bars)
