"""Pictures of the same thing from the same place, on both sides of a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.parts import parts
from edgewright.data.findings import Finding, percent
from edgewright.schema.data import Floats, Samples

# A picture is compared as so many rows and columns of mean colours, without its mean.
_GRID = 8
# So many pictures of a side are compared, drawn with seed 0.
_COMPARED = 4000
# Nearer than this share of pictures are to their nearest picture of another label: chance hardly makes them so alike.
_RARE = 0.01
_FEWEST = 20
_WARNED = 0.02


def near_copies(samples: Samples, known: NDArray[np.int64], test: NDArray[np.int64]) -> list[Finding]:
    """Find test pictures that are almost a training picture of the same label.

    Args:
        samples: pictures; anything else has no such finding.
        known: indices of training and validation samples.
        test: indices of test samples.
    """
    y = np.asarray(samples.y)
    if samples.X.ndim != 4 or y.dtype.kind != "U" or min(len(known), len(test)) < _FEWEST:
        return []
    known, test = (_some(side) for side in (known, test))
    mine, its = (_of_side(samples.X, side) for side in (test, known))
    distance = (mine**2).sum(1)[:, None] - 2.0 * mine @ its.T + (its**2).sum(1)[None]
    alike = y[test][:, None] == y[known][None]
    others = np.where(alike, np.inf, distance).min(axis=1)
    near = np.where(alike, distance, np.inf).min(axis=1)
    if not np.isfinite(others).any():
        return []
    copies = near < np.quantile(others[np.isfinite(others)], _RARE)
    share = float(copies.mean())
    if share < _WARNED:
        return []
    sentence = (
        f"{int(copies.sum())} of {len(test)} test pictures are almost a training picture of the same label "
        f"({percent(share)}): photographs of one thing from one place. Name the place or visit in a column group, "
        "or expect less of new places"
    )
    return [Finding("near-copies", "warning", sentence, numbers={"pictures": float(copies.sum()), "share": share})]


def _some(side: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(side) <= _COMPARED:
        return side
    return np.sort(np.random.default_rng(0).choice(side, _COMPARED, replace=False))


def _of_side(pictures: Floats, side: NDArray[np.int64]) -> Floats:
    made = [_thumbnails(pictures[side[part]]) for part in parts((len(side), *pictures.shape[1:]))]
    return np.concatenate(made)


def _thumbnails(pictures: Floats) -> Floats:
    """Mean colours of a grid without their mean, shape (n, channels * grid * grid)."""
    height, width = pictures.shape[2:]
    rows, columns = (np.arange(_GRID) * length // _GRID for length in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pictures, rows, axis=2), columns, axis=3)
    tall, wide = np.diff(np.append(rows, height)), np.diff(np.append(columns, width))
    flat = np.asarray(sums / (tall[:, None] * wide[None]), np.float32).reshape(len(pictures), -1)
    made: Floats = flat - flat.mean(axis=1, keepdims=True)
    return made
