"""Odd pictures among grocery photographs: `task = 'anomaly'` against distances of patch features.

One kind of goods is good: its training photographs fit, its validation photographs, taken in other shops, evaluate. Odd
are the validation photographs of all other goods, and defects composed into the good ones (composed, not photographed):
scratches, stains, missing pieces and pieces of other goods, none of them made as training makes its own. Settings were
chosen on other goods (docs/adr/0080-odd-pictures.md).

    python -m benchmarks.odd_pictures [LABEL ...]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.scenes import DATA
from benchmarks.table import markdown
from edgewright.core.prediction.objects import heat
from edgewright.data.sets.media import SETS, GroceryConfig
from edgewright.models.anomaly import NetworkAnomaly
from edgewright.training.metrics import auroc, student_t

LABELS = ("Avocado", "Orange", "Banana", "Satsumas")
LAYERS = tuple(
    {"kind": "conv2d", "filters": filters, "kernel": 3, "stride": stride}
    for filters, stride in ((8, 2), (16, 2), (32, 2), (32, 1))
)
TRAINING: dict[str, Any] = {"epochs": 10, "batch": 32, "learning_rate": 0.003}
KINDS = ("scratch", "stain", "missing", "foreign")
# Pixels of a cell, and defects that are composed into each good picture.
_CELL, _TIMES = 8, 4
# Cells of the best that make a picture's score where patches are judged by distances; patches that are kept.
_TOP, _KEPT = 3, 1000
Floats = NDArray[np.float32]
Scorer = Callable[[Floats], Floats]
"""From pictures (n, 3, height, width) to a score of each cell (n, rows, columns)."""


@dataclass(frozen=True)
class Pictures:
    """Pictures of one kind of goods, shape (n, 3, height, width) each; `covered` is the defect's share of each cell."""

    fitted: Floats
    held: Floats
    good: Floats
    others: Floats
    spoiled: Floats
    covered: Floats


def spoiled(picture: Floats, other: Floats, kind: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return a picture with a defect, and how much of each pixel is of it."""
    height, width = picture.shape[1:]
    mask = Image.new("L", (4 * width, 4 * height), 0)
    draw = ImageDraw.Draw(mask)
    x, y = rng.uniform(0.2, 0.8, 2) * (width, height)
    if kind == "scratch":
        angle, length = rng.uniform(0, np.pi), rng.uniform(7, 20)
        points = [
            (4 * (x + np.cos(angle) * length * t + rng.normal()), 4 * (y + np.sin(angle) * length * t + rng.normal()))
            for t in np.linspace(-1, 1, 6)
        ]
        draw.line(points, fill=255, width=round(4 * rng.uniform(1.2, 3)))
    else:
        angles, radius = np.linspace(0, 2 * np.pi, 10, endpoint=False), rng.uniform(5, 11)
        reach = radius * rng.uniform(0.6, 1.2, len(angles))
        draw.polygon([(4 * (x + np.cos(a) * r), 4 * (y + np.sin(a) * r)) for a, r in zip(angles, reach, strict=True)],
                     fill=255)  # fmt: skip
    cover: Floats = np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32) / np.float32(255)
    damages: dict[str, Callable[[], Any]] = {
        "scratch": lambda: np.full_like(picture, rng.choice([20.0, 235.0])),
        "stain": lambda: picture * rng.uniform(0.2, 0.7, (3, 1, 1)),
        "missing": lambda: np.full_like(picture, rng.uniform(0, 255)),
        "foreign": lambda: np.roll(other, (int(rng.integers(height)), int(rng.integers(width))), (1, 2)),
    }
    cover = np.asarray(cover * (0.8 if kind == "scratch" else 1.0), np.float32)
    return np.asarray(np.round(picture + cover * (damages[kind]() - picture)), np.float32), cover


def pictures(label: str) -> Pictures:
    """Return the pictures of one kind of goods; every fourth run of ten training photographs is held out."""
    dataset = SETS["grocery"].load(DATA, GroceryConfig(target="coarse"))
    (recording,) = dataset.recordings
    if recording.target is None or recording.groups is None:
        raise SystemExit("the set has no labels or no groups")
    values, mine, test = recording.values, recording.target == label, recording.groups == "val"
    known = np.flatnonzero(mine & ~test)
    is_held_out = np.arange(len(known)) // 10 % 4 == 3
    good, others = values[mine & test], values[~mine & test]
    rng = np.random.default_rng(0)
    damaged = [
        spoiled(picture, others[rng.integers(len(others))], KINDS[number % len(KINDS)], rng)
        for picture in good
        for number in range(_TIMES)
    ]
    covered = _cells(np.stack([cover for _, cover in damaged])[:, None])[:, 0]
    return Pictures(
        fitted=values[known[~is_held_out]], held=values[known[is_held_out]], good=good, others=others,
        spoiled=np.stack([picture for picture, _ in damaged]), covered=covered,
    )  # fmt: skip


def _cells(values: Floats) -> Floats:
    """Return means of cells, (n, channels, height, width) -> (n, channels, rows, columns)."""
    n, channels, height, width = values.shape
    return np.asarray(
        values.reshape(n, channels, height // _CELL, _CELL, width // _CELL, _CELL).mean(axis=(3, 5)), np.float32
    )


def colours(values: Floats) -> Floats:
    """Return the mean colour of each cell, (n, rows, columns, 3)."""
    return _cells(np.asarray(values / 255, np.float32)).transpose(0, 2, 3, 1)


def cosines(values: Floats) -> Floats:
    """Return cosine coefficients of each cell: 16 of brightness and 8 of colour, (n, rows, columns, 24)."""
    places = np.arange(_CELL)
    waves = np.array([np.cos(np.pi * (places + 0.5) * k / _CELL) for k in range(4)]) / np.sqrt(_CELL / 2)
    red, green, blue = (values / 255).transpose(1, 0, 2, 3)
    grey = 0.3 * red + 0.59 * green + 0.11 * blue
    blocks = np.stack([grey, red - grey, blue - grey], 1)
    n, channels, height, width = blocks.shape
    blocks = blocks.reshape(n, channels, height // _CELL, _CELL, width // _CELL, _CELL)
    coefficients = np.einsum("ncraqb,ua,vb->nrqcuv", blocks, waves, waves, optimize=True)
    parts = (coefficients[..., 0, :, :], coefficients[..., 1, :2, :2], coefficients[..., 2, :2, :2])
    return np.concatenate([part.reshape(*part.shape[:3], -1) for part in parts], axis=3).astype(np.float32)


def gaussian(features: Callable[[Floats], Floats], fitted: Floats) -> Scorer:
    """Mahalanobis distance to the mean of each place with one covariance (after PaDiM, Defard et al., 2021)."""
    known = features(fitted)
    mean = known.mean(axis=0)
    rest = (known - mean).reshape(-1, known.shape[3])
    spread = rest.T @ rest / len(rest)
    spread += 0.01 * np.diag(np.diag(spread)) + 1e-8 * np.eye(len(spread))
    inverse = np.linalg.inv(spread)

    def score(values: Floats) -> Floats:
        deviations = features(values) - mean
        return np.asarray(np.einsum("nrci,ij,nrcj->nrc", deviations, inverse, deviations, optimize=True), np.float32)

    return score


def nearest(features: Callable[[Floats], Floats], fitted: Floats) -> Scorer:
    """Distance to the nearest patch of 1,000 (after PatchCore, Roth et al., 2022)."""
    known = features(fitted)
    flat = known.reshape(-1, known.shape[3])
    mean, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6
    rng = np.random.default_rng(0)
    kept = ((flat - mean) / spread)[rng.choice(len(flat), min(len(flat), _KEPT), replace=False)]

    def score(values: Floats) -> Floats:
        feature_maps = features(values)
        one = ((feature_maps - mean) / spread).reshape(-1, feature_maps.shape[3])
        distances = (one**2).sum(1)[:, None] - 2 * one @ kept.T + (kept**2).sum(1)
        return np.asarray(distances.min(axis=1).reshape(feature_maps.shape[:3]), np.float32)

    return score


def thumbnails(fitted: Floats) -> Scorer:
    """Distance to the nearest picture of mean colours; every cell of a picture gets its own part of it."""
    known = colours(fitted)

    def score(values: Floats) -> Floats:
        distances = [((known - one) ** 2).sum(axis=3) for one in colours(values)]
        return np.stack([one[one.sum(axis=(1, 2)).argmin()] for one in distances])

    return score


def evaluated(score: Scorer, data: Pictures, picture: Callable[[Floats], Floats]) -> tuple[float, float, float]:
    """Return the AUROC of pictures of other goods, of pictures with a defect, and of cells with one."""
    good, others, cells = score(data.good), score(data.others), score(data.spoiled)
    within = (cells[data.covered > 0.25], cells[data.covered == 0])
    return (auroc(picture(others), picture(good)), auroc(picture(cells), picture(good)), auroc(*within))


def _top(cells: Floats) -> Floats:
    return np.asarray(np.sort(cells.reshape(len(cells), -1), axis=1)[:, -_TOP:].mean(axis=1), np.float32)


def _sum(cells: Floats) -> Floats:
    return np.asarray(cells.sum(axis=(1, 2)), np.float32)


def _interval(values: list[float]) -> str:
    """Return the mean with its interval of 95 % over goods (Student's t)."""
    sample = np.array(values)
    half = student_t(len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample)) if len(sample) > 1 else 0.0
    return f"{sample.mean():.3f} ± {half:.3f}"


def main(labels: tuple[str, ...]) -> None:
    """Fit and judge on each kind of goods, and print the table."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    alarms = [0, 0, 0, 0]
    for label in labels:
        data = pictures(label)
        fitted = np.concatenate([data.fitted, data.held])
        rows.setdefault("thumbnails, nearest", []).append(evaluated(thumbnails(fitted), data, _sum))
        for name, features in (("mean colours", colours), ("cosines", cosines)):
            rows.setdefault(f"{name}, Gaussian", []).append(evaluated(gaussian(features, fitted), data, _top))
            rows.setdefault(f"{name}, nearest patch", []).append(evaluated(nearest(features, fitted), data, _top))
        model = NetworkAnomaly(LAYERS, **TRAINING, false_alarms=0.05)
        good = np.full(len(data.fitted), "good")
        model.fit(data.fitted, good, validation=(data.held, np.full(len(data.held), "good")))

        def map_of(values: Floats, model: NetworkAnomaly = model) -> Floats:
            return np.asarray(heat(model.predict(values), model.objects_)[1], np.float32)

        rows.setdefault("task = 'anomaly'", []).append(evaluated(map_of, data, lambda cells: cells.max(axis=(1, 2))))
        for index, values in ((0, data.good), (2, data.others)):
            alarms[index] += int((map_of(values).max(axis=(1, 2)) >= model.objects_.threshold).sum())
            alarms[index + 1] += len(values)
        print(label, len(data.fitted), len(data.held), len(data.good), *rows["task = 'anomaly'"][-1], flush=True)
        table = [(name, *(_interval([one[k] for one in result]) for k in range(3))) for name, result in rows.items()]
        print(markdown(("method", "other goods", "composed defects", "cells of defects"), table))
        print(f"alarms: {alarms[0]} of {alarms[1]} good, {alarms[2]} of {alarms[3]} others", flush=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or LABELS)
