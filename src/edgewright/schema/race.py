"""The record of a race: which whole pipelines took part, what each scored and costs, and which was chosen."""

from __future__ import annotations

from edgewright.schema.footprint import Footprint
from edgewright.schema.trace_flow import Interval, Part

RACE_VERSION = 1


class EntrantRecord(Part, frozen=True, kw_only=True):
    """A pipeline that takes part.

    Attributes:
        name, title: of the candidate.
        strength: what it is good for, in a sentence.
        says: what it is when fitted, in a sentence; empty where it was not measured.
        score: of its answers to samples that it was not fitted on, with a 95 % interval; None before the first.
        heats: rounds of the race that it finished.
        samples: that it was asked in its last heat.
        footprint: of the whole program on the device; None where `unpriced` says why.
        unpriced: why its footprint is not known.
        beyond: limits of the device that it exceeds even at the lower end of the estimate; empty where it may fit.
        left_out: why it was not measured; empty where it was.
        verdict: 'chosen', or what ended its race.
        cpu_seconds: spent on it.
    """

    name: str
    title: str
    strength: str = ""
    says: str = ""
    score: Interval | None = None
    heats: int = 0
    samples: int = 0
    footprint: Footprint | None = None
    unpriced: str = ""
    beyond: str = ""
    left_out: str = ""
    verdict: str = ""
    cpu_seconds: float = 0.0


class RaceRecord(Part, frozen=True, kw_only=True):
    """A race.

    Attributes:
        metric: name of the score; `metric_title` in reports, `metric_why` why it was taken, `higher` whether more is
            better.
        kept: what folds keep whole ('group', 'session', 'day', 'block' or 'row'); `units` is how many there are.
        samples: that took part: training and validation samples alone.
        entrants: best first.
        chosen: name of the simplest entrant within a standard error of the best that fits the device.
        why: the choice, in a sentence.
        ceiling: the best entrant without a budget, in a sentence; empty where it is the chosen one.
        ended: why the race was over.
        profile: of the device.
        budget_s: CPU seconds that the race may take.
        cpu_seconds: that it took.
    """

    metric: str
    metric_title: str
    metric_why: str
    higher: bool
    kept: str
    units: int
    samples: int
    entrants: tuple[EntrantRecord, ...]
    chosen: str
    why: str
    ceiling: str = ""
    ended: str = ""
    profile: str = ""
    budget_s: float = 0.0
    cpu_seconds: float = 0.0
    version: int = RACE_VERSION
