"""Pictures in another light, or by another camera: brightness, contrast, tint and saturation."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.training.contract import Augmentation, ChangeConfig, Floats

Amount = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]


class ColourConfig(ChangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another light for each picture, drawn anew in every epoch; values stay within those of all pictures.

    Attributes:
        brightness: added, up to this share of the range of values, either way.
        contrast: distances from the picture's mean are multiplied by 1 - contrast to 1 + contrast.
        tint: each channel is multiplied by 1 - tint to 1 + tint, measured from the lowest value.
        saturation: distances from grey are multiplied by 1 - saturation to 1 + saturation.
    """

    brightness: Amount = 0.1
    contrast: Amount = 0.3
    tint: Amount = 0.1
    saturation: Amount = 0.3


def apply(config: ColourConfig, pictures: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, height, width)."""
    low, high = np.float32(pictures.min(initial=0.0)), np.float32(pictures.max(initial=0.0))
    count, channels = pictures.shape[:2]

    def draw(spread: float, each: int = 1) -> Floats:
        return rng.uniform(1.0 - spread, 1.0 + spread, (count, each, 1, 1)).astype(np.float32)

    tinted = (pictures - low) * draw(config.tint, channels)
    grey = tinted.mean(axis=1, keepdims=True)
    tinted = grey + (tinted - grey) * draw(config.saturation)
    mean = tinted.mean(axis=(1, 2, 3), keepdims=True)
    shift = (draw(config.brightness) - np.float32(1)) * (high - low)
    tinted = (tinted - mean) * draw(config.contrast) + mean + shift
    changed: Floats = np.clip(tinted, 0, high - low, out=tinted) + low
    return changed


AUGMENTATION = Augmentation(config=ColourConfig, apply=apply)
