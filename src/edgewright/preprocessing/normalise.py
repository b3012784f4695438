"""Every window by itself: its own level goes to 0, its own spread to 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.graph.builder import Value, centre, largest, mean, sqrt
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, from_config

_LEVELS: dict[str, Callable[[Value], Value]] = {
    "mean": lambda x: centre(x, 2),
    "peak": lambda x: x - largest(x, 2, keep=True),
    "keep": lambda x: x,
}
# Mean power below which a channel is silent.
_SILENT = 1e-30


class NormaliseConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Takes off each channel's level in the window, and divides by its spread there.

    Sound becomes equally loud whatever the distance. Bands of `log_mel` without their level (`spread = false`) no
    longer depend on microphone and average voice, because both multiply the power in a band.

    Attributes:
        level: what is taken off: the 'mean' over the window, the 'peak' (its largest value, which silence around a
            word does not change), or nothing ('keep').
        spread: divide by the root mean square of what is left.
        floor: share of a channel's mean training power that is added before the division: a still window stays still.
    """

    level: Literal["mean", "peak", "keep"] = "mean"
    spread: bool = True
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-3


@dataclass(eq=False, repr=False)
class Normalise(SampleTransformer):
    """(x - level) / sqrt(mean((x - level)^2) + floor), or a part of it.

    Args:
        level: 'mean', 'peak' or 'keep'.
        spread: divide by the root mean square.
        floor: share of the mean training power.
        names: of the channels.

    Attributes:
        floor_: power added for each channel.
    """

    kind = "normalise"
    takes = (2,)

    floor_: NDArray[np.float32] = field(init=False)

    level: str = "mean"
    spread: bool = True
    floor: float = 1e-3
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Each channel by what its own window says."""
        moved = _LEVELS[self.level](x)
        if not self.spread:
            return moved
        return moved / sqrt(mean(moved * moved, 2, keep=True) + self._broadcastable(self.floor_))

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        powers = [np.square(_LEVELS[self.level](window[None].astype(np.float64))).mean(axis=2)[0] for window in X]
        power = np.mean(powers, axis=0)
        # A channel that is always still stays so, with any number here.
        self.floor_ = (self.floor * np.where(power > _SILENT, power, 1.0)).astype(np.float32)


def _build(config: NormaliseConfig, context: Context) -> Normalise:
    if config.level == "keep" and not config.spread:
        raise StageSettingsError(
            "a level or the spread to normalise", "neither", "stage normalise", "Leave the stage out"
        )
    return from_config(Normalise, config, context)


def _why(estimator: Normalise) -> str:
    done = {"mean": "its mean is taken off", "peak": "its largest value is taken off", "keep": ""}[estimator.level]
    divided = "it is divided by its root mean square" if estimator.spread else ""
    return (
        "Sensors, microphones and people differ in level more than in what they show: of each channel, over the "
        f"{estimator.shape_[1]} samples of a window, {' and '.join(filter(None, (done, divided)))}."
    )


STAGE = Stage(
    config=NormaliseConfig,
    build=_build,
    state=("shape_", "floor_"),
    why=_why,
    formula="m = mean(x) or max(x); y = (x - m) / sqrt(mean((x - m)^2) + floor), each channel over its window",
)
