"""What a package's devices may learn of turned and mirrored sensors: class moments of the training data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import (
    AffineFactory,
    affine_files,
    board_bytes,
    distances,
    moments,
    read_affine,
    summary,
)
from edgewright.pipeline.material import Material
from edgewright.schema.adapt import AffineSpec
from edgewright.schema.config import AdaptConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError, UnknownNameError

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
_SAMPLES = 512
# Largest sample of the training data as an integer; a sensor may give twice as much.
_LARGEST = 2047
# Added to each variance among people, as a share of the sensor's mean one; the second factor is of the largest distance
# of a training person. Chosen on HAPT's training people, leaving people out (ADR 76).
_SHRINK, _LIMIT = 0.3, 3.0


def affine_adaptation(
    config: AdaptConfig, material: Material, labels: Sequence[str]
) -> tuple[AffineSpec, dict[str, bytes]]:
    """Return what a manifest says of the axes, and the files of the package beside it.

    Args:
        config: the table `[adapt]`.
        material: samples that the model was fitted on.
        labels: of the model, in its order.

    Raises:
        InputError: samples that are no windows, or do not say whose they are.
        UnknownNameError: a channel that the data do not have.
    """
    samples, rows = material.samples, material.sides.train
    if material.task != "classification" or samples.X.ndim != 3:
        raise InputError("windows with classes", "other samples", "[adapt] layer = 'affine'", "Leave out the table")
    names = [column.name for column in samples.columns]
    axes = [[_column_index(name, names) for name in group] for group in (config.acceleration, config.rotation)]
    if len(axes[0]) != 3 or len(axes[1]) not in (0, 3):
        raise InputError(
            "three channels", ", ".join((*config.acceleration, *config.rotation)) or "none",
            "[adapt] acceleration and rotation", 'Name them: acceleration = ["x", "y", "z"]',
        )  # fmt: skip
    if samples.groups is None or len(np.unique(samples.groups[rows])) < 2:
        raise InputError(
            "data of two or more people, in a column with their name", "none", "[adapt] layer = 'affine'",
            "Name the column in [data] group",
        )  # fmt: skip
    parts = [rows[start : start + _SAMPLES] for start in range(0, len(rows), _SAMPLES)]
    truth = np.searchsorted(np.asarray(labels), np.asarray(samples.y)[rows].astype(str))
    factory = fit_affine(
        [np.ascontiguousarray(samples.X[part], np.float32) for part in parts], truth, samples.groups[rows],
        classes=len(labels), acceleration=axes[0], rotation=axes[1],
        gain=round(100 * config.gain),
    )  # fmt: skip
    if board_bytes(factory) > config.ram:
        raise InputError(
            f"{board_bytes(factory):,} bytes or more, for {len(labels)} classes", f"{config.ram:,}", "[adapt] ram",
            "Raise it, or leave out the rotation",
        )  # fmt: skip
    files = affine_files(factory)
    read_affine(factory.spec, files, "[adapt]")
    return factory.spec, files


def fit_affine(
    chunks: Sequence[Floats], labels: Numbers, people: NDArray[np.generic], *, classes: int,
    acceleration: Sequence[int], rotation: Sequence[int], gain: int,
) -> AffineFactory:  # fmt: skip
    """Return the moments of windows.

    Args:
        chunks: windows of shape (n, channels, samples), part after part; those with missing values are left out.
        labels: class of each, shape (all,).
        people: whose each is.
        classes: of the model.
        acceleration: channel numbers of x, y, z.
        rotation: of the gyroscope, or none.
        gain: per cent, as in the spec.
    """
    axes = [*acceleration, *rotation]
    whole = np.concatenate([np.isfinite(part[:, axes]).all(axis=(1, 2)) for part in chunks])
    largest = [
        max(float(np.nanmax(np.abs(part[:, list(group)]))) for part in chunks) if group else 1.0
        for group in (acceleration, rotation)
    ]
    bits = [math.floor(math.log2(_LARGEST / (value or 1.0))) for value in largest]
    spec = AffineSpec(
        classes=classes, samples=chunks[0].shape[2], acceleration=(axes[0], axes[1], axes[2]),
        rotation=tuple(rotation), bits=(bits[0], bits[1]), gain=gain, limit=1 << 40,
    )  # fmt: skip
    part_moments = [moments(spec, part[np.isfinite(part[:, axes]).all(axis=(1, 2))]) for part in chunks]
    means, powers = (np.concatenate([pair[k] for pair in part_moments]) for k in (0, 1))
    labels, people = labels[whole], people[whole]
    total = summary(*_sums(means, powers, labels, classes))
    own = [_sums(means[mine], powers[mine], labels[mine], classes) for mine in (people == p for p in np.unique(people))]
    seen = [pair[0] > 0 for pair in own]
    scales = [_scales([summary(*pair)[k] - total[k] for pair in own], seen) for k in (0, 1)]
    factory = AffineFactory(
        spec=spec, means=total[0].astype(np.int32), logs=total[1].astype(np.int32), mean_scales=scales[0],
        log_scales=scales[1],
    )  # fmt: skip
    worst = max(int(distances(factory, *pair)[0]) / int((pair[0] > 0).sum()) for pair in own)
    return dataclasses.replace(factory, spec=msgspec.structs.replace(spec, limit=round(_LIMIT * worst)))


def _column_index(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise UnknownNameError("channel", name, names, "[adapt]")
    return names.index(name)


def _sums(means: Numbers, powers: Numbers, labels: Numbers, classes: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return counts of the classes and sums of what each window gives."""
    counts = np.bincount(labels, minlength=classes)
    return counts, *(np.array([v[labels == c].sum(axis=0) for c in range(classes)]) for v in (means, powers))  # type: ignore[return-value]


def _scales(differences: Sequence[Numbers], seen: Sequence[NDArray[np.bool_]]) -> NDArray[np.int32]:
    """Return 2**20 over the spread among people of each class and axis, its variance raised."""
    squares, counts = np.zeros(differences[0].shape), np.zeros((len(differences[0]), 1))
    for difference, here in zip(differences, seen, strict=True):
        squares += np.where(here[:, None], difference.astype(np.float64) ** 2, 0.0)
        counts += here[:, None]
    variance: Array = squares / np.maximum(counts, 1)
    groups = variance.reshape(len(variance), -1, 3)
    raised = (groups + _SHRINK * groups.mean(axis=(0, 2), keepdims=True)).reshape(variance.shape)
    scales: NDArray[np.int32] = np.minimum(np.round((1 << 20) / np.sqrt(np.maximum(raised, 1.0))), 1 << 20).astype(
        np.int32
    )
    return scales
