"""Values without their sign."""

from __future__ import annotations

from edgewright.graph.builder import Value, absolute
from edgewright.graph.stage import Context, SampleTransformer, Stage, StageConfig, require


class AbsoluteConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The size of each value. No settings."""


class Absolute(SampleTransformer):
    """|x| of each column or channel.

    Args:
        names: of the columns or channels.
    """

    kind = "absolute"

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def formula(self, x: Value) -> Value:
        """|x|."""
        return absolute(x)


def _build(config: AbsoluteConfig, context: Context) -> Absolute:
    require(context, "absolute", (1, 2))
    return Absolute(names=context.names)


STAGE = Stage(
    config=AbsoluteConfig,
    build=_build,
    state=("shape_",),
    why=lambda estimator: f"Only the distance from 0 counts: {estimator.shape_[0]} columns lose their sign.",
    formula="y = |x|",
)
