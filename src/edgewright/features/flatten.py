"""A window as one row of values."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.graph.builder import Value, reshape
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly


class FlattenConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window (channels, samples) as channels * samples features, channel after channel."""


@dataclass(eq=False, repr=False)
class Flatten(SampleTransformer):
    """(n, channels, samples) -> (n, channels * samples).

    Args:
        names: of the channels.
    """

    kind = "flatten"
    takes = (2,)

    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the same values in one axis."""
        return reshape(x, (0, int(self.shape_[0]) * int(self.shape_[1])))

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"{name} {index}" for name in names for index in range(int(self.shape_[1]))]


def _why(estimator: Flatten) -> str:
    channels, samples = estimator.shape_
    return (
        f"A dense network takes one row: {channels} channels of {samples} samples become {channels * samples} values."
    )


STAGE = Stage(
    config=FlattenConfig,
    build=directly(Flatten),
    state=("shape_",),
    why=_why,
    formula="y[c * samples + t] = x[c, t]",
)
