"""A noisier sensor: normal noise in proportion to each channel's spread."""

from __future__ import annotations

import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Positive, Windows
from edgewright.schema.data import Floats
from edgewright.training.augmentations import noise


class JitterConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`level`: standard deviation of the noise as a share of the channel's over all windows."""

    level: Positive = 0.05


def apply(config: JitterConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Add noise (`training.augmentations.noise`)."""
    return noise.apply(noise.NoiseConfig(level=config.level), windows.x, rng)


METHOD = Method(config=JitterConfig, apply=apply)
