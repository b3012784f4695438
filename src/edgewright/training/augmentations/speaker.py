"""Another speaker: bands of sound lie higher or lower, words are slower or faster, and the microphone colours them."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LayerSettingsError
from edgewright.training.contract import Augmentation, ChangeConfig, Floats

Share = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
Size = Annotated[float, msgspec.Meta(ge=0.0)]


class SpeakerConfig(ChangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bands by frames, as `log_mel` gives them, of another speaker; drawn anew in every epoch.

    Attributes:
        tract: band b comes from where band b times 1 - tract to 1 + tract was: the length of a vocal tract moves all
            its resonances by one factor (Jaitly and Hinton, 2013).
        tempo: frames come 1 - tempo to 1 + tempo times as fast.
        shift: the sound begins earlier or later by at most this share of the window.
        tilt: added from the lowest band to the highest, from -tilt to tilt at the ends, in standard deviations of all
            values.
        level: added to all bands, either way, in the same unit.
    """

    tract: Share = 0.1
    tempo: Share = 0.15
    shift: Share = 0.05
    tilt: Size = 0.3
    level: Size = 0.3


def apply(config: SpeakerConfig, windows: Floats, rng: np.random.Generator) -> Floats:
    """Copy of shape (n, bands, frames); what lies beyond the ends repeats them.

    Raises:
        InputError: for samples that are no bands by frames.
    """
    if windows.ndim != 3 or min(windows.shape[1:]) < 2:
        raise LayerSettingsError(
            "samples of at least two bands by two frames", f"shape {windows.shape[1:]}", "training.augment speaker",
            "It follows `log_mel` without `flatten`",
        )  # fmt: skip
    count, bands, frames = windows.shape

    def draw(spread: float) -> NDArray[np.float64]:
        return np.asarray(rng.uniform(-spread, spread, (count, 1)))

    # Below the first band lies one more step of the scale.
    pitch = np.arange(1, bands + 1) * (1.0 + draw(config.tract)) - 1.0
    time = (np.arange(frames) + frames * draw(config.shift)) * (1.0 + draw(config.tempo))
    stretched = _between(_between(windows, pitch, 1), time, 2)
    spread = float(windows.std())
    colour = draw(config.tilt) * np.linspace(-1.0, 1.0, bands) + draw(config.level)
    return np.asarray(stretched + (spread * colour)[:, :, None].astype(np.float32), np.float32)


def _between(windows: Floats, at: NDArray[np.float64], axis: int) -> Floats:
    """Values at fractional places (n, length) along an axis, each the weighted mean of its two neighbours."""
    last = windows.shape[axis] - 1
    at = np.clip(at, 0.0, last)
    before = np.minimum(at.astype(np.int64), last - 1)
    shape = [len(windows), 1, 1]
    shape[axis] = last + 1
    share = (at - before).astype(np.float32).reshape(shape)
    left = np.take_along_axis(windows, before.reshape(shape), axis)
    right = np.take_along_axis(windows, (before + 1).reshape(shape), axis)
    return np.asarray(left + share * (right - left), np.float32)


AUGMENTATION = Augmentation(config=SpeakerConfig, apply=apply, unlike=("mfcc",))
