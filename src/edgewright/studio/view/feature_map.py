"""The map: features of windows or rows on a plane, by principal components, so that what is alike lies together."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.targets import class_codes
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.view.data_cache import Opened

MOST = 600
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


def chosen(y: NDArray[Any], maximum: int = MOST) -> NDArray[np.int64]:
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
    found = np.concatenate([mean, spread, low, high, change], axis=1)
    text = "mean, deviation, least, largest value and mean step of each channel"
    return np.where(np.isfinite(found), found, np.nan).astype(np.float32), text


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
    found = np.zeros((len(X), 2))
    found[:, :axes] = fitted.transform(X) * signs
    shares = [*fitted.explained_variance_ratio_.tolist(), 0.0]
    return found, (float(shares[0]), float(shares[1]))


def _of_run(folder: Path, X: Floats) -> tuple[Floats, str]:
    """Return features as the run's model receives them; of windows the statistics of what arrives at the model."""
    _, fitted = import_module("edgewright.pipeline.explained_prediction").fitted_of(folder)
    values = X
    for _, stage in fitted.steps[:-1]:
        values = np.asarray(stage.transform(values), np.float32)
    if values.ndim > 2:
        found, text = statistics(values.reshape(len(values), -1, values.shape[-1]))
        return found, f"{text}, after the run's stages"
    return values, "the features that the run's model receives"


def draw_map(opened: Opened, samples: Samples, made: tuple[Floats, str] | None = None) -> Map:
    """Return the map of a data set's samples, the same every time.

    Args:
        opened: the data set.
        samples: its rows or windows.
        made: features of the `chosen` samples, shape (n, features), and what they are; quick ones when None.
    """
    picked = chosen(np.asarray(samples.y))
    X = np.ascontiguousarray(samples.X[picked], np.float32)
    note, (features, text) = "", made or (None, "")
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
