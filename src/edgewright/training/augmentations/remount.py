"""Another person with another device: turned a little, another gain of each sensor, faster or slower, all at once."""

from __future__ import annotations

import math

import numpy as np

from edgewright.core.errors import LayerSettingsError
from edgewright.training.augmentations.mirror import check_channels
from edgewright.training.augmentations.rotate import turns
from edgewright.training.augmentations.stretch import stretched
from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class RemountConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rotation, gain and time stretch in every copy.

    Attributes:
        groups: triples of channel numbers x, y, z, from 0, one a sensor; all of a window turn alike.
        degrees: standard deviation of the turn about each axis.
        gain: the gain of each sensor is drawn evenly from 1 - gain to 1 + gain.
        stretch: rates are drawn evenly from 1 - stretch to 1 + stretch.
    """

    groups: tuple[tuple[int, ...], ...]
    degrees: float = 8.0
    gain: float = 0.1
    stretch: float = 0.1


def apply(config: RemountConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples).

    Raises:
        InputError: for a group that is not three channels of the windows.
    """
    check_channels(config.groups, windows.shape[1], "remount")
    count = len(windows)
    copies = windows.copy()
    turn = turns(rng.normal(0.0, config.degrees * math.pi / 180.0, (count, 3)))
    for group in config.groups:
        if len(group) != 3:
            raise LayerSettingsError("three channels a group", str(list(group)), "training.augment remount")
        gain = rng.uniform(1.0 - config.gain, 1.0 + config.gain, (count, 1, 1)).astype(np.float32)
        copies[:, list(group)] = gain * (turn @ windows[:, list(group)])
    return stretched(copies, rng.uniform(1.0 - config.stretch, 1.0 + config.stretch, (count, 1)))


AUGMENTATION = Augmentation(config=RemountConfig, apply=apply)
