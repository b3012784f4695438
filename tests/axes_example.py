"""Windows of an accelerometer and a gyroscope: three classes, people who differ a little, and their moments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.core.adaptation.affine import AffineFactory
from edgewright.pipeline.package.adaptation import fit_affine

CLASSES, AXES, SAMPLES = 3, 6, 32
_MEANS = np.array(
    [[1.0, 0.1, -0.2, 0, 0, 0], [0.2, 0.9, 0.3, 0, 0, 0], [0.9, -0.3, 0.4, 0.1, 0, -0.1]],
)
_SPREADS = np.array(
    [[0.02, 0.03, 0.01, 0.05, 0.02, 0.01], [0.1, 0.05, 0.3, 0.2, 0.6, 0.3], [0.5, 0.2, 0.3, 1.0, 0.4, 0.6]]
)


def windows(people: tuple[int, ...], count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return windows of shape (n, 6, 32), class after class for each person, and their classes."""
    windows, labels = [], np.tile(np.repeat(np.arange(CLASSES), count), len(people))
    for person in people:
        rng = np.random.default_rng((seed, person))
        means = _MEANS + rng.normal(0, 0.05, _MEANS.shape)
        spreads = _SPREADS * np.exp(rng.normal(0, 0.1, _SPREADS.shape))
        for c in range(CLASSES):
            noise = rng.normal(0, 1, (count, AXES, SAMPLES)) * spreads[c][:, None]
            windows.append(means[c][:, None] + noise + rng.normal(0, 0.01, (count, AXES, 1)))
    return np.concatenate(windows).astype(np.float32), labels


def factory(seed: int = 0) -> AffineFactory:
    """Return the moments of six people."""
    people = tuple(range(6))
    X, labels = windows(people, seed=seed)
    return fit_affine(
        [X[:100], X[100:]], labels, np.repeat(people, 60 * CLASSES), classes=CLASSES, acceleration=[0, 1, 2],
        rotation=[3, 4, 5], gain=10,
    )  # fmt: skip


LABELS = ("lie", "sit", "walk")
_TOML = """\
name = "belt"
seed = 3
refit = false

[data]
kind = "csv"
path = "{path}"
target = "label"
group = "person"
session = "session"
rate = 10.0

[window]
samples = 32
step = 32
within = "label"

[split]
by = "group"
test_groups = ["p6", "p7"]

[[stages]]
kind = "statistics"
features = ["mean", "std"]

[[stages]]
kind = "scale"
method = "standard"

[[model.layers]]
kind = "dense"
units = 12

[training]
epochs = 20
batch = 16
learning_rate = 0.02

[adapt]
layer = "affine"
acceleration = ["ax", "ay", "az"]
rotation = ["gx", "gy", "gz"]
"""


def write_belt(folder: Path) -> Path:
    """Write rows of eight people and a pipeline whose devices learn their axes."""
    lines = ["person,session,label,ax,ay,az,gx,gy,gz"]
    for person in range(8):
        X, labels = windows((person,), count=16)
        for window, label in zip(X, labels, strict=True):
            head = f"p{person},{person}{label},{LABELS[label]},"
            lines += [head + ",".join(f"{value:.4f}" for value in row) for row in window.T]
    file = folder / "belt.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    toml = folder / "belt.toml"
    toml.write_text(_TOML.format(path=file), encoding="utf-8")
    return toml
