"""A faster or slower person, or a clock that is off: time is stretched about the middle of the window."""

from __future__ import annotations

import numpy as np

from edgewright.training.contract import Augmentation, AugmentationConfig, Floats


class StretchConfig(AugmentationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Linear interpolation at a changed rate; beyond the ends the signal is reflected.

    Attributes:
        spread: rates are drawn evenly from 1 - spread to 1 + spread.
    """

    spread: float = 0.05


def apply(config: StretchConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copies of shape (n, channels, samples)."""
    count, _, samples = windows.shape
    rate = rng.uniform(1.0 - config.spread, 1.0 + config.spread, (count, 1))
    middle, last = (samples - 1) / 2.0, samples - 1
    place = np.abs((np.arange(samples)[None, :] - middle) * rate + middle)
    place = np.clip(np.where(place > last, 2 * last - place, place), 0, last)
    before = np.minimum(place.astype(np.int64), max(last - 1, 0))
    share = (place - before).astype(np.float32)[:, None, :]
    after = np.minimum(before + 1, last)
    left = np.take_along_axis(windows, before[:, None, :], axis=2)
    right = np.take_along_axis(windows, after[:, None, :], axis=2)
    return np.asarray(left + share * (right - left), np.float32)


AUGMENTATION = Augmentation(config=StretchConfig, apply=apply)
