"""Records of a race of whole pipelines and of a learning curve. Versioned."""

from __future__ import annotations

import msgspec

from edgewright.core.records.footprint import Footprint
from edgewright.core.records.trace_flow import Interval, Part

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
        gain: its gain over the chosen entrant on the same samples, above zero is better; the interval is corrected for
            the number of entrants compared. Set by an explained race.
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
    gain: Interval | msgspec.UnsetType = msgspec.UNSET


class RaceRecord(Part, frozen=True, kw_only=True):
    """A race.

    Attributes:
        metric: name of the score; `metric_title` in reports, `metric_why` why it was taken, `higher` whether more is
            better.
        kept: what folds keep whole ('group', 'session', 'day', 'block' or 'row'); `units` is how many there are.
        samples: that took part: training and validation samples alone.
        entrants: best first.
        chosen: name of the smallest entrant that is as good as the best and fits the device.
        why: the choice, in a sentence.
        ceiling: the best entrant without a budget, in a sentence; empty where it is the chosen one.
        ended: why the race was over.
        profile: of the device, and `flash` its bytes of flash; 0 in records without it.
        budget_s: CPU seconds that the race may take.
        cpu_seconds: that it took.
        heat_samples: training samples of a fold in each heat, at most, where there are many; unset for the usual ones.
        ladder: entrants of an explained race that were measured on all folds, from simple to complex; unset otherwise.
        beats_chance: whether any model of the ladder above the first agrees with the target beyond chance.
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
    flash: int = 0
    budget_s: float = 0.0
    cpu_seconds: float = 0.0
    heat_samples: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET
    ladder: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    beats_chance: bool | msgspec.UnsetType = msgspec.UNSET
    version: int = RACE_VERSION


class CurvePoint(Part, frozen=True, kw_only=True):
    """Errors at one training size, one for each repeat."""

    size: float
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the repeats."""
        return sum(self.errors) / len(self.errors)


class CurveRecord(Part, frozen=True, kw_only=True):
    """A learning curve: error against the number of training samples, with a fitted power law.

    Attributes:
        name: name of the data; `model` the candidate, `error` what is measured.
        share: whether the error is a fraction, so that its changes are percentage points.
        unit: unit that subsets keep whole, such as 'group' or 'row'.
        points: smallest size first.
        exponent: exponent of the power law; `floor` the error that no size removes.
        at: predicted size; `predicted` its error, and `gain` the change from the largest measured size.
        half: error at the largest size as predicted from at most half of the samples; None with too few sizes.
        reason: why the prediction is too uncertain to use; empty if it is not.
        cpu_seconds: CPU time of all fits.
    """

    name: str
    model: str
    error: str
    share: bool
    unit: str
    points: tuple[CurvePoint, ...]
    exponent: Interval
    floor: float
    at: float
    predicted: Interval
    gain: Interval
    half: Interval | None = None
    reason: str = ""
    cpu_seconds: float = 0.0
    version: int = RACE_VERSION
