"""Another sensor of the same kind: each channel is a little stronger or weaker."""

from __future__ import annotations

import numpy as np

from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class GainConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Multiplication of channels.

    Attributes:
        spread: gains are drawn evenly from 1 - spread to 1 + spread.
        together: one gain for all channels of a window instead of one each.
        channels: channel numbers, from 0; empty means all.
    """

    spread: float = 0.05
    together: bool = False
    channels: tuple[int, ...] = ()


def apply(config: GainConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples)."""
    channels = list(config.channels) or list(range(windows.shape[1]))
    size = (len(windows), 1 if config.together else len(channels), 1)
    copies = windows.copy()
    copies[:, channels] *= rng.uniform(1.0 - config.spread, 1.0 + config.spread, size).astype(np.float32)
    return copies


AUGMENTATION = Augmentation(config=GainConfig, apply=apply)
