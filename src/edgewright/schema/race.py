"""The records of a race of whole pipelines and of a ladder (`ladder.json`): scores, costs and the choice. Versioned."""

from __future__ import annotations

import msgspec

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
        chosen: name of the smallest entrant that is as good as the best and fits the device.
        why: the choice, in a sentence.
        ceiling: the best entrant without a budget, in a sentence; empty where it is the chosen one.
        ended: why the race was over.
        profile: of the device, and `flash` its bytes of flash; 0 in records without it.
        budget_s: CPU seconds that the race may take.
        cpu_seconds: that it took.
        heat_samples: training samples of a fold in each heat, at most, where there are many; unset for the usual ones.
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
    version: int = RACE_VERSION


LADDER_VERSION = 1


class RungRecord(EntrantRecord, frozen=True, kw_only=True):
    """One rung: an entrant of the race with all folds, and how it compares with the others.

    Attributes:
        gain: over the rung `against`, above zero is better; with an interval that is corrected for the number of looks,
            of 95 % with few units.
        p: of an exact paired test of that gain, corrected for the other rungs; None with many units.
        climbed: whether it was taken; `chosen` whether it is the one that stands at the end.
        why: why it was taken without a test; empty where it was not.
    """

    gain: Interval | None = None
    against: str = ""
    p: float | None = None
    why: str = ""
    climbed: bool = False
    chosen: bool = False


class LadderRecord(Part, frozen=True, kw_only=True):
    """A ladder.

    Attributes:
        name: name of the data; `target` the column that is predicted.
        task: 'classification' or 'regression'.
        samples, columns, classes: how many samples, which columns rungs see, which classes.
        kept: what folds keep whole ('group', 'session', 'day', 'block', 'row'), `units` how many of them, `folds`.
        left_out: groups that were left out from the beginning.
        metric: the score, `higher` whether more is better, `metric_why` why it was taken.
        looks: rungs that may be compared; each gain's interval is one of 1 - 0.05/looks.
        smallest_p: that a paired test over so few units can give; None where there are many, and intervals decide.
        power: what such a test can show, in a sentence; empty with many units.
        patience: rungs in a row without a gain after which nothing is tried; 0 tries all.
        rungs: from the bottom.
        chosen: name of the rung that is enough.
        beats_chance: whether answers of any rung above the lowest agree with the truth beyond chance.
        verdict: in a sentence.
        stopped: why nothing further was tried.
        profile: of the device.
        notes: what a reader should know of the data.
        interrupted: Ctrl-C came before the end: what was measured stands.
        cpu_seconds: spent in all.
    """

    version: int = LADDER_VERSION
    name: str
    target: str
    task: str
    samples: int
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    kept: str
    units: int
    folds: int
    left_out: tuple[str, ...] = msgspec.field(default=(), name="held")
    metric: str
    metric_title: str
    higher: bool
    metric_why: str
    looks: int
    smallest_p: float | None = None
    power: str = ""
    patience: int
    rungs: tuple[RungRecord, ...]
    chosen: str
    beats_chance: bool = True
    verdict: str
    stopped: str
    profile: str
    notes: tuple[str, ...] = ()
    interrupted: bool = False
    cpu_seconds: float = 0.0


def rung_of(record: LadderRecord, name: str) -> RungRecord | None:
    """Return the rung of that name; None where the ladder has none."""
    return next((rung for rung in record.rungs if rung.name == name), None)
