"""How the values of every channel are spread, and a map of windows or rows on which what is alike lies together."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import EdgewrightError
from edgewright.core.formatting import number
from edgewright.core.records.data import Column, Floats, Samples
from edgewright.data.targets import class_codes
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
        mean, deviation, minimum, maximum: of all values that are there.
        missing: share of the rows without a value.
        outside: share of the values outside the declared range, None where none is declared.
        parts: all rows first, then each class.
    """

    column: Column
    low: float
    high: float
    beyond: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    missing: float
    outside: float | None
    parts: tuple[Part, ...]

    @property
    def sentence(self) -> str:
        """The picture in words."""
        middle = "; ".join(f"{p.label or 'all rows'} about {number(p.median)}" for p in self.parts[:9])
        return f"{self.column.name} from {number(self.minimum)} to {number(self.maximum)}; medians: {middle}"


def spreads(opened: Opened, first: int) -> tuple[list[Spread], int]:
    """Return the channels from `first` on that fit on a page, and the step between counted rows."""
    recordings = opened.dataset.recordings
    rows = sum(len(r.values) for r in recordings)
    step = max(1, -(-rows // MOST_ROWS))
    codes = opened.once("codes", lambda: _codes(opened, step))
    channels = []
    for index in range(first, min(first + A_PAGE, len(opened.dataset.columns))):
        values = np.concatenate([r.values[::step, index] for r in recordings])
        channels.append(spread_of(values, codes, opened.classes, opened.dataset.columns[index]))
    return channels, step


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
        column=column, low=low, high=high, beyond=int(beyond.sum()), minimum=float(known.min()),
        maximum=float(known.max()), mean=float(known.mean()), deviation=float(known.std()),
        missing=1 - len(known) / len(values), outside=_outside(known, column), parts=tuple(parts),
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


MAX_SAMPLES = 600
"""Points: more are too many to tell apart or to reach by keyboard."""
WIDTH, HEIGHT = 400, 300
_EDGE = 10


@dataclass(frozen=True)
class Point:
    """A sample on the map: its number from 1, place in units of the drawing, label, and the class's colour."""

    number: int
    x: float
    y: float
    label: str
    colour: int


@dataclass(frozen=True)
class Map:
    """The plane.

    Attributes:
        total: samples, of which `points` are shown.
        features: what they were made of, in words.
        shares: of the features' variance that the two axes show.
        note: why the run's own features are not used, where it is so.
    """

    points: tuple[Point, ...]
    total: int
    features: str
    count: int
    shares: tuple[float, float]
    note: str = ""


def chosen(y: NDArray[Any], maximum: int = MAX_SAMPLES) -> NDArray[np.int64]:
    """Numbers of at most `maximum` samples: of every class evenly spaced ones, as many as its share, at least eight."""
    if len(y) <= maximum:
        return np.arange(len(y), dtype=np.int64)
    codes = np.unique(y, return_inverse=True)[1] if y.dtype.kind == "U" else np.zeros(len(y), np.int64)
    classes = int(codes.max()) + 1
    minimum = min(8, maximum // classes)
    picked = []
    for code in range(classes):
        mine = np.flatnonzero(codes == code)
        wanted = min(len(mine), minimum + int((maximum - classes * minimum) * len(mine) / len(y)))
        picked.append(mine[np.linspace(0, len(mine) - 1, wanted).round().astype(np.int64)])
    return np.sort(np.unique(np.concatenate(picked)))


def statistics(X: Floats) -> tuple[Floats, str]:
    """Quick features, shape (n, features), and what they are; a row is its own feature."""
    if X.ndim == 2:
        return X, "the columns themselves"
    with np.errstate(all="ignore"):
        there = np.isfinite(X)
        count = np.maximum(there.sum(axis=2), 1)
        zero = np.where(there, X, 0)
        mean = zero.sum(axis=2) / count
        spread = np.sqrt(np.where(there, (X - mean[:, :, None]) ** 2, 0).sum(axis=2) / count)
        low, high = np.where(there, X, np.inf).min(axis=2), np.where(there, X, -np.inf).max(axis=2)
        change = np.abs(np.diff(zero, axis=2)).mean(axis=2) if X.shape[2] > 1 else np.zeros_like(mean)
    values = np.concatenate([mean, spread, low, high, change], axis=1)
    text = "mean, deviation, least, largest value and mean step of each channel"
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32), text


def plane(features: Floats) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Two principal components of the standardised features, shape (n, 2), and the shares of variance they show.

    A missing value counts as the feature's median, a feature that never changes is left out, and each axis points to
    where its largest loading is positive: the same map every time.
    """
    X = features.reshape(len(features), -1).astype(np.float64)
    X[~np.isfinite(X)] = np.nan
    X = X[:, ~np.isnan(X).all(axis=0)]
    X = np.where(np.isnan(X), np.nanmedian(X, axis=0), X) if X.shape[1] else X
    spread = X.std(axis=0) if X.shape[1] else np.empty(0)
    X = X[:, spread > 1e-12 * np.maximum(1.0, np.abs(X).max(axis=0, initial=0))]
    if not X.shape[1] or len(X) < 2:
        return np.zeros((len(features), 2)), (0.0, 0.0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    axes = min(2, *X.shape)
    fitted = import_module("sklearn.decomposition").PCA(axes, svd_solver="full").fit(X)
    signs = np.sign(fitted.components_[np.arange(axes), np.abs(fitted.components_).argmax(axis=1)])
    components = np.zeros((len(X), 2))
    components[:, :axes] = fitted.transform(X) * signs
    shares = [*fitted.explained_variance_ratio_.tolist(), 0.0]
    return components, (float(shares[0]), float(shares[1]))


def _of_run(folder: Path, X: Floats) -> tuple[Floats, str]:
    """Return features as the run's model receives them; of windows the statistics of what arrives at the model."""
    _, fitted = import_module("edgewright.pipeline.explanation.explained_prediction").fitted_of(folder)
    values = X
    for _, stage in fitted.steps[:-1]:
        values = np.asarray(stage.transform(values), np.float32)
    if values.ndim > 2:
        features, text = statistics(values.reshape(len(values), -1, values.shape[-1]))
        return features, f"{text}, after the run's stages"
    return values, "the features that the run's model receives"


def draw_map(opened: Opened, samples: Samples, given: tuple[Floats, str] | None = None) -> Map:
    """Return the map of a data set's samples, the same every time.

    Args:
        opened: the data set.
        samples: its rows or windows.
        given: features of the `chosen` samples, shape (n, features), and what they are; quick ones when None.
    """
    picked = chosen(np.asarray(samples.y))
    X = np.ascontiguousarray(samples.X[picked], np.float32)
    note, (features, text) = "", given or (None, "")
    if features is None and opened.origin.run is not None:
        try:
            features, text = _of_run(opened.origin.run, X)
        except EdgewrightError as error:
            note = f"The run's own features could not be computed: {error}"
    if features is None:
        features, text = statistics(X)
    places, shares = plane(features)
    low, high = np.quantile(places, 0.005, axis=0), np.quantile(places, 0.995, axis=0)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    unit = np.clip((places - low) / np.where(high > low, high - low, 1), 0, 1)
    size = np.array([WIDTH - 2 * _EDGE, HEIGHT - 2 * _EDGE])
    spots = _EDGE + np.stack([unit[:, 0], 1 - unit[:, 1]], axis=1) * size
    codes = class_codes(samples.y[picked], opened.classes) if opened.classes else np.zeros(len(picked), np.int64)
    points = tuple(
        Point(int(n) + 1, round(float(x), 1), round(float(y), 1), str(samples.y[n]), int(code))
        for n, (x, y), code in zip(picked, spots, codes, strict=True)
    )
    return Map(points, len(samples.X), text, int(features.reshape(len(features), -1).shape[1]), shares, note)
