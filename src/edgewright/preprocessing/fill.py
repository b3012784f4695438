"""Missing readings of a window are filled from within the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from edgewright.core.input.samples import WINDOW_LIMIT
from edgewright.graph.builder import Value, at_least, choose, counted, fill, present, total
from edgewright.graph.stage import SampleTransformer, Stage, StageConfig, directly


class FillConfig(StageConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fills missing readings of a window with the mean of the channel's other readings in it.

    Windows begin with this stage where no stage fills missing values; those of sound only in the race, and where a
    recording misses some.

    Attributes:
        limit: largest share of a channel's readings that may be missing; beyond it the sample has no answer.
    """

    limit: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = WINDOW_LIMIT


@dataclass(eq=False, repr=False)
class Fill(SampleTransformer):
    """Fills what is not finite with the mean of the channel's other readings in the window; learns nothing.

    A channel without any reading becomes 0: its window has no answer, whatever the limit.

    Args:
        limit: largest share of a channel's readings that may be missing.
        names: of the channels.
    """

    kind = "fill"
    takes = (2,)
    missing = True

    limit: float = WINDOW_LIMIT
    names: tuple[str, ...] = ()

    def formula(self, x: Value) -> Value:
        """Return the reading where there is one, else the mean of those there are.

        The mean is taken twice, as in `formula.centre`: sums of float32 numbers on a large level lose digits.
        """
        there = present(x)
        count = at_least(counted(there, 2), 1.0)
        once = total(choose(there, x, 0.0), 2, keep=True) / count
        return fill(x, once + total(choose(there, x - once, 0.0), 2, keep=True) / count)


def _why(estimator: Fill) -> str:
    return (
        "Sensors lose readings: a missing one becomes the mean of its channel in the window; if more than "
        f"{100 * estimator.limit:g} % of a channel is missing, there is no answer."
    )


STAGE = Stage(
    config=FillConfig,
    build=directly(Fill),
    state=("shape_",),
    why=_why,
    formula="y = x if present, else the mean of the channel's present readings",
)
