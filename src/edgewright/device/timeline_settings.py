"""How rows become a timeline, and what comes out of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.schema.data import Floats

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]


class TimelineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows become a timeline.

    Attributes:
        fill: seconds of lost rows that are drawn as a straight line; a single row always is. Longer ones are a gap.
        wait: seconds that rows are held back so that late ones find their place; 0 gives every row at once.
        jump: seconds; a step of time beyond them counts only when the next row confirms it.
        stuck: seconds without a change after which a channel is not well; 0: never.
        rests: channels that may stand still.
        missing: seconds without a value after which a channel is not well; 0: never.
        tolerance: relative difference of the rate that is still right.
        report: seconds between two notices about rows left out or made up, which are counted in between.
    """

    fill: Seconds = 0.1
    wait: Seconds = 0.0
    jump: Seconds = 60.0
    stuck: Seconds = 30.0
    rests: tuple[str, ...] = ()
    missing: Seconds = 2.0
    tolerance: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = 0.1
    report: Seconds = 10.0


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in order, one period apart.

    Attributes:
        values: shape (rows, channels), float32, NaN where missing.
        time: shape (rows,), seconds, rising; the device's own up to the first jump of its clock.
        gap_before: whether rows are missing before the first: no window may reach over it.
        healthy: shape (rows,): whether all channels and the rate were well; an answer that rests on others is doubted.
    """

    values: Floats
    time: NDArray[np.float64]
    gap_before: bool
    healthy: NDArray[np.bool_]
