"""A device held a little differently: triples of axes are rotated together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError
from edgewright.training.augmentations.mirror import check_channels
from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class RotateConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rotation about a random axis.

    Attributes:
        groups: triples of channel numbers x, y, z, from 0; all triples of a window turn alike.
        degrees: largest angle, drawn evenly from minus this to this.
    """

    groups: tuple[tuple[int, ...], ...]
    degrees: float = 20.0


def turns(vectors: NDArray[np.float64]) -> Floats:
    """Return rotations about the vectors by their lengths in radians (Rodrigues): (n, 3) -> (n, 3, 3)."""
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    x, y, z = (vectors / np.maximum(angle, 1e-12)).T
    zero = np.zeros(len(vectors))
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angle)[:, :, None], np.cos(angle)[:, :, None]
    return np.asarray(np.eye(3) + sine * cross + (1.0 - cosine) * (cross @ cross), np.float32)


def rotations(count: int, degrees: float, rng: np.random.Generator) -> Floats:
    """Random rotations, shape (count, 3, 3): axis even on the sphere, angle even up to `degrees`."""
    axis = rng.normal(size=(count, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    return turns(axis * (rng.uniform(-degrees, degrees, (count, 1)) * (math.pi / 180.0)))


def apply(config: RotateConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples).

    Raises:
        InputError: for a group that is not three channels.
    """
    check_channels(config.groups, windows.shape[1], "rotate")
    copies = windows.copy()
    turn = rotations(len(windows), config.degrees, rng)
    for group in config.groups:
        if len(group) != 3:
            raise LayerSettingsError("three channels a group", str(list(group)), "training.augment rotate")
        copies[:, list(group)] = turn @ windows[:, list(group)]
    return copies


AUGMENTATION = Augmentation(config=RotateConfig, apply=apply)
