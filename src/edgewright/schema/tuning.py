"""The record of a tuning, `tune.json`: alarms a day against missed events, and what was chosen. Versioned."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.schema.device import DecisionSpec
from edgewright.schema.trace import Part
from edgewright.schema.trace_flow import Interval

TUNE_VERSION = 1


class TunePoint(Part, frozen=True, kw_only=True):
    """One way to decide, and what it gives.

    Attributes:
        smoothing, debounce, refractory: as in `DecisionSpec`.
        threshold: of every label that alarms; 0 where the largest probability decides, or they differ.
        thresholds: by label, where they differ; else empty.
        events: of the labels that alarm; `missed` of them raised none.
        missed_share: of the events, with its interval.
        false: alarms outside of events; `false_rate` of them a day (1,000 windows), with its interval.
        delay: median of seconds (windows) from the beginning of a found event to its first alarm; None where none was
            found.
        cost: of all that was missed or false.
        front: whether no other point has both fewer false alarms and fewer missed events.
    """

    smoothing: int
    debounce: int
    threshold: float
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    refractory: float
    events: int
    missed: int
    missed_share: Interval
    false: int
    false_rate: Interval
    delay: float | None
    cost: float
    front: bool = False


class TuneTest(Part, frozen=True, kw_only=True):
    """An exact test over few people: its two-sided p, and what such a test can show, in a sentence."""

    p: float
    power: str


class TuneRecord(Part, frozen=True, kw_only=True):
    """A tuning.

    Attributes:
        name: name of the package.
        package_hash: SHA-256 of the package that answered.
        form: of the model, and the engine it ran on.
        data: what was looked at, in words; `people` the groups or recordings it was judged by.
        alarms: labels that call for somebody.
        false_alarm_cost, miss_cost: of one.
        chosen_by: its cost, its number, or `most`, the false alarms a day that are accepted.
        tolerance: seconds after the end of an event in which an alarm still belongs to it.
        per: 'day', or '1000 windows' where nobody knows the rate.
        exposure: days (1,000 windows) outside of events.
        windows: answers that were judged.
        point_count: number of points that were compared.
        points: of the front, from the fewest missed on; they are numbered from 1.
        chosen: place of the chosen point.
        held_out: the choice, thresholds of labels included, made without a person and judged on that person, over all
            of them; None with only one.
        before: the package's own decision with the same alarms.
        test: of the cost of `held_out` against that of `before`, where people are few; None with many or one.
        decision: in the new package.
        notes: what a reader must know.
    """

    version: int = TUNE_VERSION
    name: str
    package_hash: str
    form: str
    engine: str
    data: str
    people: tuple[str, ...]
    alarms: tuple[str, ...]
    false_alarm_cost: float
    miss_cost: float
    chosen_by: Literal["cost", "point", "most"] = msgspec.field(default="cost", name="taken")
    maximum: float | None = msgspec.field(default=None, name="most")
    tolerance: float
    per: Literal["day", "1000 windows"]
    exposure: float
    windows: int
    point_count: int = msgspec.field(name="tried")
    points: tuple[TunePoint, ...]
    chosen: int
    held_out: TunePoint | None
    before: TunePoint
    test: TuneTest | None = None
    decision: DecisionSpec
    notes: tuple[str, ...] = ()
