"""Pictures seen in a mirror, or upside down."""

from __future__ import annotations

import numpy as np

from edgewright.training.contract import Augmentation, ChangeConfig, Floats


class FlipConfig(ChangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mirroring of pictures, drawn anew in every epoch.

    Attributes:
        share: probability with which left and right change places.
        upright: whether pictures keep their top; otherwise top and bottom change places as often.
    """

    share: float = 0.5
    upright: bool = True


def apply(config: FlipConfig, pictures: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, height, width)."""
    flipped = pictures.copy()
    chosen = rng.random(len(flipped)) < config.share
    flipped[chosen] = flipped[chosen][..., ::-1]
    if not config.upright:
        chosen = rng.random(len(flipped)) < config.share
        flipped[chosen] = flipped[chosen][..., ::-1, :]
    return flipped


AUGMENTATION = Augmentation(config=FlipConfig, apply=apply, moves=True)
