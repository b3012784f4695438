"""A device worn the other way round: chosen channels change sign."""

from __future__ import annotations

import numpy as np

from edgewright.core.errors import LayerSettingsError
from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class MirrorConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sign change of groups of channels.

    Attributes:
        groups: lists of channel numbers that change sign together, from 0; (0, 3) turns the x axis of an
            accelerometer and a gyroscope.
        share: probability with which each group of a copy changes sign.
    """

    groups: tuple[tuple[int, ...], ...]
    share: float = 0.5


def check_channels(groups: tuple[tuple[int, ...], ...], channels: int, kind: str) -> None:
    """Refuse a channel number that the windows do not have.

    Raises:
        InputError: naming the number.
    """
    for group in groups:
        for channel in group:
            if not 0 <= channel < channels:
                raise LayerSettingsError(
                    f"channel numbers from 0 to {channels - 1}", str(channel), f"training.augment {kind}"
                )


def apply(config: MirrorConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples)."""
    check_channels(config.groups, windows.shape[1], "mirror")
    copies = windows.copy()
    for group in config.groups:
        sign = np.where(rng.random(len(windows)) < config.share, np.float32(-1), np.float32(1))
        copies[:, list(group)] *= sign[:, None, None]
    return copies


AUGMENTATION = Augmentation(config=MirrorConfig, apply=apply)
