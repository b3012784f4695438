"""A small layer that learns, examples of a person whose classes lie elsewhere, and a medium whose power is cut."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.learner import Factory, discriminant
from edgewright.core.records.package import AdaptLayer, AdaptSpec

WIDTH, CLASSES = 8, 3
Numbers = NDArray[np.int64]


def means(seed: int = 0, width: int = WIDTH) -> Numbers:
    """Return hidden means of the classes, shape (3, width)."""
    return np.random.default_rng(seed).integers(40, 180, (CLASSES, width))


def blocks(*, shifted: bool, seed: int = 1) -> tuple[Numbers, Numbers]:
    """Return examples class after class; of a shifted person, the second class lies where the third is expected."""
    rng = np.random.default_rng(seed)
    middle = means()
    if shifted:
        turned = np.where(np.arange(WIDTH) % 2, 30, -30)
        middle = np.stack([middle[0], middle[2] + turned, middle[2]])
    labels = np.repeat(np.arange(CLASSES), 16)
    return np.clip(middle[labels] + rng.integers(-8, 9, (len(labels), WIDTH)), 0, 255), labels


def factory(layer: AdaptLayer, *, seed: int = 0, width: int = WIDTH, **changes: Any) -> Factory:  # noqa: ANN401 - of the spec
    """Return a linear discriminant of `means` as the factory's layer."""
    middle = means(seed, width)
    prototypes, center = middle * 16, np.round(middle.mean(axis=0) * 16).astype(np.int64)
    precision = np.eye(width, dtype=np.int64) * 2048
    weights, bias = discriminant(prototypes, center, precision, 10)
    has_prototypes = layer == "prototypes"
    spec = AdaptSpec(
        layer=layer, classes=CLASSES, width=width, zero=-128, multiplier=1 << 30, right=45, out_zero=0, step=11,
        bias_step=1000, weight_limit=16000, bias_limit=1 << 29, prior=4, precision_right=10, pool=24, replays=8,
        gain=10, drop=80,
    )  # fmt: skip
    vectors = np.clip(np.repeat(middle, 3, axis=0) + np.random.default_rng(3).integers(-9, 9, (9, width)), 0, 255)
    none = np.zeros((0, 0), np.int16)
    return Factory(
        spec=msgspec.structs.replace(spec, **changes), weights=weights.astype(np.int16), bias=bias.astype(np.int32),
        exponentials=np.round(np.exp(-np.arange(256) * 0.1) * (1 << 15)).astype(np.int32),
        vectors=vectors.astype(np.uint8), expected=np.repeat(np.arange(3), 3).astype(np.uint8),
        prototypes=prototypes.astype(np.int16) if has_prototypes else none,
        center=center.astype(np.int16) if has_prototypes else none.ravel(),
        precision=precision.astype(np.int16) if has_prototypes else none,
    )  # fmt: skip


class Half:
    """Two slots in memory; a write may stop after so many bytes, over old bytes or over erased ones."""

    def __init__(self) -> None:
        self.slots, self.cut, self.erases = [b"", b""], None, False

    cut: int | None

    def read(self, slot: int) -> bytes:
        """Return the bytes of a slot."""
        return self.slots[slot]

    def write(self, slot: int, data: bytes) -> None:
        """Write the first bytes."""
        if self.cut is None:
            self.slots[slot] = data
        else:
            rest = b"\xff" * len(data) if self.erases else self.slots[slot].ljust(len(data), b"\0")
            self.slots[slot] = data[: self.cut] + rest[self.cut :]
