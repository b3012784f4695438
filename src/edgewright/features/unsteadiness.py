"""Whether a movement goes on evenly: the spread of its strength over parts of a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import StageSettingsError
from edgewright.features._channels import ChannelFeatures, Noise, audible, chunks, made_of_channels, used_channels
from edgewright.graph.builder import Value, centre, cut, log, mean, reshape, sqrt
from edgewright.graph.stage import Context, Stage, StageConfig, require

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
class Unsteadiness(ChannelFeatures):
    """(n, channels, samples) -> (n, channels).

    Args:
        parts: number of parts.

    Attributes:
        guard_: power added before the logarithm, for each channel used.
    """

    kind = "unsteadiness"

    guard_: NDArray[np.float32] = field(init=False)

    parts: int = 4

    def formula(self, x: Value) -> Value:
        """Logarithm of the power of each part, then its deviation over the parts."""
        powers = log(self._powers(x) + np.asarray(self.guard_, np.float32)[:, None])
        deviations = powers - mean(powers, 2, keep=True)
        return sqrt(mean(deviations * deviations, 2) + _GUARD)

    def _powers(self, x: Value) -> Value:
        """Return mean square of each part about the mean of the window, (n, channels, parts)."""
        length = int(self.shape_[1]) // self.parts
        moved = centre(self._chosen(x), 2)
        if length * self.parts < int(self.shape_[1]):
            moved = cut(moved, 0, length * self.parts, 2)
        return mean(reshape(moved * moved, (0, self._count(), self.parts, length)), 3)

    def _learn(self, X: NDArray[np.float32], y: Any) -> None:  # noqa: ANN401 - unused
        if self.noise is not None:
            self.guard_ = (np.asarray(self.noise, np.float64) ** 2).astype(np.float32)
            return
        sums = sum(self._powers(part).mean(axis=2).sum(axis=0) for part in chunks(X))
        self.guard_ = (self.floor * audible(np.asarray(sums) / len(X))).astype(np.float32)

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"{name} unsteadiness" for name in self._chosen_names(names)]


def _build(config: UnsteadinessConfig, context: Context) -> Unsteadiness:
    require(context, "unsteadiness", (2,))
    if context.shape[1] < 2 * config.parts:
        raise StageSettingsError(
            f"windows of at least {2 * config.parts} samples", str(context.shape[1]), "stage unsteadiness, key parts"
        )
    return made_of_channels(Unsteadiness, config, context)


def _why(estimator: Unsteadiness) -> str:
    return f"Steps repeat, a shuffle on a chair does not: the energy of {estimator.parts} parts is compared."


STAGE = Stage(
    config=UnsteadinessConfig,
    build=_build,
    state=("shape_", "guard_"),
    why=_why,
    formula="p_k = mean over part k of (x - mean)^2; u = sqrt(variance over k of log(p_k + noise^2) + 1e-4)",
    read_back=used_channels,
)
