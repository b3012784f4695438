"""Another sensor of the same kind, or a stronger movement: every channel is multiplied."""

from __future__ import annotations

import numpy as np

from edgewright.language.synthesis.contract import Method, MethodConfig, Share, Windows
from edgewright.schema.data import Floats
from edgewright.training.augmentations import gain


class ScalingConfig(MethodConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gains.

    Attributes:
        spread: gains are drawn evenly from 1 - spread to 1 + spread.
        together: one gain for all channels of a window.
    """

    spread: Share = 0.1
    together: bool = False


def apply(config: ScalingConfig, windows: Windows, rng: np.random.Generator) -> Floats:
    """Scale (`training.augmentations.gain`)."""
    return gain.apply(gain.GainConfig(spread=config.spread, together=config.together), windows.x, rng)


METHOD = Method(config=ScalingConfig, apply=apply)
