"""The record of a ladder, `ladder.json`: what each rung gave and costs, and which is enough. Versioned."""

from __future__ import annotations

from edgewright.schema.race import EntrantRecord
from edgewright.schema.trace import Interval, Part

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
        name: of the data; `target` the column that is predicted.
        task: 'classification' or 'regression'.
        samples, columns, classes: how many samples, which columns rungs see, which classes.
        kept: what folds keep whole ('group', 'session', 'day', 'block', 'row'), `units` how many of them, `folds`.
        held: groups that were left out from the beginning.
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
    held: tuple[str, ...] = ()
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
