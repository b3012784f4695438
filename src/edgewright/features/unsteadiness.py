"""Whether a movement goes on evenly: the spread of its strength over parts of a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.features._noise import Noise, of_channels
from edgewright.graph.formula import Value, centre, cut, log, mean, reshape, sqrt, take
from edgewright.graph.stage import Context, Stage, StageConfig
from edgewright.graph.transformer import CHUNK_VALUES, SampleTransformer, positions, require
from edgewright.schema.errors import InputError

# Added to the variance of the logarithms: a hundredth of a natural logarithm, below which nothing is unsteady.
_GUARD = 1e-4


class UnsteadinessConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard deviation of the logarithm of each channel's power over parts of the window.

    Attributes:
        parts: equal parts, one after the other; samples beyond the last whole part are left out.
        channels: used; all when left out.
        noise: standard deviation of the sensor's noise, one number or one a channel used, in the channel's unit; what
            lies below it does not count. When left out, `floor` of the channel's training power is taken.
        floor: share of a channel's mean training power that stands for its noise.
    """

    parts: Annotated[int, msgspec.Meta(ge=2)] = 4
    channels: tuple[str, ...] = ()
    noise: Noise = None
    floor: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 1e-3


@dataclass(eq=False, repr=False)
class Unsteadiness(SampleTransformer):
    """(n, channels, samples) -> (n, channels).

    Args:
        parts: number of parts.
        channels: places of the channels used, None for all.
        noise: of each channel used, None to learn it.
        floor: share of the training power taken for noise.
        names: of the channels that arrive.

    Attributes:
        guard_: power added before the logarithm, for each channel used.
    """

    kind = "unsteadiness"
    takes = (2,)

    guard_: NDArray[np.float32] = field(init=False)

    parts: int = 4
    channels: tuple[int, ...] | None = None
    noise: tuple[float, ...] | None = None
    floor: float = 1e-3
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Logarithm of the power of each part, then its deviation over the parts."""
        powers = log(self._powers(x) + np.asarray(self.guard_, np.float32)[:, None])
        apart = powers - mean(powers, 2, keep=True)
        return sqrt(mean(apart * apart, 2) + _GUARD)

    def _powers(self, x: Value) -> Value:
        """Return mean square of each part about the mean of the window, (n, channels, parts)."""
        if self.channels is not None:
            x = take(x, np.asarray(self.channels, np.int64), 1)
        used = int(self.shape_[0]) if self.channels is None else len(self.channels)
        length = int(self.shape_[1]) // self.parts
        moved = centre(x, 2)
        if length * self.parts < int(self.shape_[1]):
            moved = cut(moved, 0, length * self.parts, 2)
        return mean(reshape(moved * moved, (0, used, self.parts, length)), 3)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if self.noise is not None:
            self.guard_ = (np.asarray(self.noise, np.float64) ** 2).astype(np.float32)
            return
        step = max(1, CHUNK_VALUES // (X.shape[1] * X.shape[2]))
        sums = sum(
            self._powers(X[start : start + step].astype(np.float64)).mean(axis=2).sum(axis=0)
            for start in range(0, len(X), step)
        )
        power = np.asarray(sums) / len(X)
        self.guard_ = (self.floor * np.where(power > 1e-30, power, 1.0)).astype(np.float32)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        used = names if self.channels is None else [names[place] for place in self.channels]
        return [f"{name} unsteadiness" for name in used]


def _build(config: UnsteadinessConfig, context: Context) -> Unsteadiness:
    require(context, "unsteadiness", (2,))
    if context.shape[1] < 2 * config.parts:
        raise InputError(
            f"windows of at least {2 * config.parts} samples", str(context.shape[1]), "stage unsteadiness, key parts"
        )
    used = positions(config.channels, context.names, "unsteadiness")
    return Unsteadiness(
        parts=config.parts,
        channels=used if config.channels else None,
        noise=of_channels(config.noise, len(used), "unsteadiness"),
        floor=config.floor,
        names=context.names,
    )


def _why(estimator: Unsteadiness) -> str:
    return f"Steps repeat, a shuffle on a chair comes once: the strength of {estimator.parts} parts is compared."


STAGE = Stage(
    config=UnsteadinessConfig,
    build=_build,
    state=("shape_", "guard_"),
    why=_why,
    formula="p_k = mean over part k of (x - mean)^2; u = sqrt(variance over k of log(p_k + noise^2) + 1e-4)",
)
