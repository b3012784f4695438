"""Parts of the record of a run that finds odd pictures."""

from __future__ import annotations

from edgewright.schema.objects import ObjectMap
from edgewright.schema.trace_flow import Interval, Part


class OddScene(Part, frozen=True, kw_only=True):
    """A test picture with its map.

    Attributes:
        row: number of the sample in the data, from 0.
        name: of the file.
        label: of the picture.
        picture: PNG of the sample as it reaches the pipeline.
        odds: log-odds of each cell in 1/16, row by row.
    """

    row: int
    name: str
    label: str
    picture: bytes
    odds: tuple[int, ...]


class AnomaliesRecord(Part, frozen=True, kw_only=True):
    """What the test pictures say of a model that finds odd ones.

    Attributes:
        spec: how the map is read.
        good: test pictures that are good; `odd` that are not.
        false_alarms: share of the good ones that raise an alarm.
        found: share of the odd ones that do; None where there is none.
        auroc: chance that an odd picture scores above a good one, half of it where they are equal; None without odd
            ones.
        scenes: some of the pictures.
    """

    spec: ObjectMap
    good: int
    odd: int
    false_alarms: Interval
    found: Interval | None
    auroc: Interval | None
    scenes: tuple[OddScene, ...] = ()
