"""A noisier sensor: normal noise in proportion to each channel's spread over the training windows."""

from __future__ import annotations

import numpy as np

from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class NoiseConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Added noise.

    Attributes:
        level: standard deviation of the noise as a share of the channel's.
    """

    level: float = 0.02


def apply(config: NoiseConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples); a missing value stays missing."""
    spread = np.nanstd(windows, axis=(0, 2), keepdims=True).astype(np.float32)
    noise = rng.standard_normal(windows.shape, dtype=np.float32)
    return np.asarray(windows + np.float32(config.level) * spread * noise, np.float32)


AUGMENTATION = Augmentation(config=NoiseConfig, apply=apply)
