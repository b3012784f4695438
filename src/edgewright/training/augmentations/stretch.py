"""A faster or slower person, or a clock that is off: time is stretched about the middle of the window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class StretchConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Linear interpolation at a changed rate; beyond the ends the signal is reflected.

    Attributes:
        spread: rates are drawn evenly from 1 - spread to 1 + spread.
    """

    spread: float = 0.05


def stretched(windows: Floats, rate: NDArray[np.float64]) -> Floats:
    """Windows of shape (n, channels, samples) as a clock of `rate` (n, 1) would give them, about their middle."""
    samples = windows.shape[2]
    middle, last = (samples - 1) / 2.0, samples - 1
    location = np.abs((np.arange(samples)[None, :] - middle) * rate + middle)
    location = np.clip(np.where(location > last, 2 * last - location, location), 0, last)
    before = np.minimum(location.astype(np.int64), max(last - 1, 0))
    share = (location - before).astype(np.float32)[:, None, :]
    after = np.minimum(before + 1, last)
    left = np.take_along_axis(windows, before[:, None, :], axis=2)
    right = np.take_along_axis(windows, after[:, None, :], axis=2)
    return np.asarray(left + share * (right - left), np.float32)


def apply(config: StretchConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, channels, samples)."""
    return stretched(windows, rng.uniform(1.0 - config.spread, 1.0 + config.spread, (len(windows), 1)))


AUGMENTATION = Augmentation(config=StretchConfig, apply=apply)
