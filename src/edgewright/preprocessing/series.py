"""A row whose columns are values one after the other, as a window of one channel."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.graph.formula import Value, reshape
from edgewright.graph.stage import Stage, StageConfig
from edgewright.graph.transformer import SampleTransformer, directly

CHANNEL = "series"


class SeriesConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of n columns as a window of one channel `series` with n samples, in the order of the columns."""


@dataclass(eq=False, repr=False)
class Series(SampleTransformer):
    """(n, columns) -> (n, 1, columns).

    Args:
        names: of the columns.
    """

    kind = "series"
    takes = (1,)

    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the same values in two axes."""
        return reshape(x, (0, 1, int(self.shape_[0])))

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [CHANNEL]


def _why(estimator: Series) -> str:
    return f"The {estimator.shape_[0]} columns are values one after the other, so features of their order can be made."


STAGE = Stage(
    config=SeriesConfig,
    build=directly(Series),
    state=("shape_",),
    why=_why,
    formula="y[0, t] = x[t]",
)
