"""Pictures taken from nearer, from another side or at another angle: a part of each fills the whole."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError
from edgewright.training.contract import Augmentation, ChangeConfig, Floats

# Pictures at once: what they take stays in the processor's cache.
_PART = 8


class CropConfig(ChangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of each picture, turned, resized to the whole; drawn anew in every epoch.

    Attributes:
        area: smallest share of the picture's area that a part has; it is drawn evenly up to 1.
        stretch: the ratio of its sides is drawn evenly from 1 - stretch to 1 + stretch.
        degrees: it is turned by at most so much; what lies beyond the picture repeats its edge.
    """

    area: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.5
    stretch: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.2
    degrees: Annotated[float, msgspec.Meta(ge=0.0, le=180.0)] = 10.0


def apply(config: CropConfig, pictures: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, height, width).

    Raises:
        InputError: for samples that are no pictures.
    """
    if pictures.ndim != 4:
        raise LayerSettingsError(
            "pictures of shape (channels, height, width)", f"shape {pictures.shape[1:]}", "training.augment crop"
        )
    count, _, height, width = pictures.shape
    side: NDArray[np.float64] = np.sqrt(rng.uniform(config.area, 1.0, count))
    ratio: NDArray[np.float64] = np.sqrt(rng.uniform(1.0 - config.stretch, 1.0 + config.stretch, count))
    tall: NDArray[np.float64] = np.minimum(1.0, side / ratio)
    wide: NDArray[np.float64] = np.minimum(1.0, side * ratio)
    down = rng.random(count) * (1.0 - tall) + tall / 2
    right = rng.random(count) * (1.0 - wide) + wide / 2
    angle = np.asarray(rng.uniform(-config.degrees, config.degrees, count)) * math.pi / 180.0
    cropped = np.empty_like(pictures)
    for start in range(0, count, _PART):
        few = slice(start, start + _PART)
        y, x = _places(height, width, tall[few], wide[few], down[few], right[few], angle[few])
        cropped[few] = _between(pictures[few], y, x)
    return cropped


def _places(
    height: int,
    width: int,
    tall: NDArray[np.float64],
    wide: NDArray[np.float64],
    down: NDArray[np.float64],
    right: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> tuple[Floats, Floats]:
    """Row and column that each pixel is taken from, each (n, height, width); the arguments are shares of the sides."""
    v, u = np.meshgrid(
        ((np.arange(height) + 0.5) / height - 0.5) * height, ((np.arange(width) + 0.5) / width - 0.5) * width,
        indexing="ij",
    )  # fmt: skip
    v, u = v * tall[:, None, None], u * wide[:, None, None]
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    y = down[:, None, None] * height + v * cosine + u * sine - 0.5
    x = right[:, None, None] * width + u * cosine - v * sine - 0.5
    return np.clip(y, 0, height - 1).astype(np.float32), np.clip(x, 0, width - 1).astype(np.float32)


def _between(pictures: Floats, y: Floats, x: Floats) -> Floats:
    """Pixels at fractional places, each the weighted mean of the four around it."""
    count, channels, height, width = pictures.shape
    top, left = np.minimum(y.astype(np.intp), height - 2), np.minimum(x.astype(np.intp), width - 2)
    first = (np.arange(count)[:, None, None] * height + top) * width + left
    right_share, below = x - left, y - top
    left_share, above = 1 - right_share, 1 - below
    interpolated = np.empty_like(pictures)
    for channel in range(channels):
        flat = pictures[:, channel].ravel()
        upper = flat.take(first) * left_share + flat[1:].take(first) * right_share
        lower = flat[width:].take(first) * left_share + flat[width + 1 :].take(first) * right_share
        interpolated[:, channel] = upper * above + lower * below
    return interpolated


AUGMENTATION = Augmentation(config=CropConfig, apply=apply, moves=True)
