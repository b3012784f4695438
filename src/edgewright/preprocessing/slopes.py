"""Slopes of a row or window whose values follow one another, over their own spread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.graph.builder import Value, difference, mean, sqrt
from edgewright.graph.stage import Floats, SampleTransformer, Stage, StageConfig, directly

# Mean power of slopes below which nothing ever changes.
_STILL = 1e-30


class SlopesConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each value less the one before it, over the root mean square of these slopes in the row or window.

    Light that is scattered lifts a spectrum and stretches it; its slopes over their spread stay the same.

    Attributes:
        floor: share of the mean power of training slopes that is added before the division: a flat row stays flat.
    """

    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-3


@dataclass(eq=False, repr=False)
class Slopes(SampleTransformer):
    """(n, columns) -> (n, columns - 1), or (n, channels, samples) -> (n, channels, samples - 1).

    Args:
        floor: share of the mean power.
        names: of the columns or channels.

    Attributes:
        floor_: power added to that of each row, or of each channel of a window.
    """

    kind = "slopes"
    takes = (1, 2)

    floor_: Floats = field(init=False)

    floor: float = 1e-3
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Each slope by what its own row or window says."""
        axis = len(self.shape_)
        slopes = difference(x, axis)
        return slopes / sqrt(mean(slopes * slopes, axis, keep=True) + self.floor_)

    def _learn(self, X: Floats, y: Any) -> None:  # noqa: ANN401 - unused
        powers = [np.square(np.diff(sample.astype(np.float64))).mean(axis=-1) for sample in X]
        power = np.mean(powers, axis=0)
        # A channel that never changes stays so, with any number here.
        self.floor_ = (self.floor * np.where(power > _STILL, power, 1.0)).astype(np.float32).reshape(-1, 1)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return list(names) if len(self.shape_) > 1 else [f"{name} slope" for name in names[1:]]


def _why(estimator: Slopes) -> str:
    return (
        "Samples differ in level and size more than in what they show: "
        f"each of {estimator.shape_[-1]} values counts by its slope, over the spread of all slopes of its sample."
    )


STAGE = Stage(
    config=SlopesConfig,
    build=directly(Slopes),
    state=("shape_", "floor_"),
    why=_why,
    formula="d[t] = x[t + 1] - x[t]; y = d / sqrt(mean(d^2) + floor), each row or channel by itself",
)
