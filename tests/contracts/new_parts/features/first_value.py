"""The value with which a window begins."""

from __future__ import annotations

from edgewright.graph.builder import Value, cut, reshape
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, require


class FirstValueConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first sample of each channel. No settings."""


class FirstValue(SampleTransformer):
    """(n, channels, samples) -> (n, channels).

    Args:
        names: of the channels.
    """

    kind = "first_value"
    takes = (2,)

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def formula(self, x: Value) -> Value:
        """x[c, 0]."""
        return reshape(cut(x, 0, 1, 2), (0, int(self.shape_[0])))

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [f"{name} first" for name in names]


def _build(config: FirstValueConfig, context: Context) -> FirstValue:
    require(context, "first_value", (2,))
    return FirstValue(names=context.names)


STAGE = Stage(
    config=FirstValueConfig,
    build=_build,
    state=("shape_",),
    why=lambda estimator: f"Where a movement starts tells what it is: {estimator.shape_[0]} numbers a window.",
    formula="y[c] = x[c, 0]",
)
