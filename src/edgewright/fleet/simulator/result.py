"""The result of a simulation: versions over time, the story of events, and the verdicts of the rules."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping

import msgspec

from edgewright.core.records.fleet import Cohort, Plan, Release
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.options import PlanOptions, check, make_plan, preview_of
from edgewright.fleet.protocol.rollout_records import StageDetection


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the fleet at one time.

    Attributes:
        at: seconds since the start of the simulation.
        versions: number of devices by active release.
        trial: number of devices with a release on trial.
        away: number of devices without network or power.
        did: count of each fault so far, by name; `FaultSummary.did` describes what is counted.
        ended: number of outcomes of the new release so far, and of devices that were rolled back.
    """

    at: float
    versions: dict[int, int]
    trial: int = 0
    away: int = 0
    did: dict[str, int] = {}
    ended: dict[str, int] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the story, `at` seconds after the start."""

    at: float
    text: str


class FaultSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of the simulation.

    Attributes:
        name: name of the fault.
        rate: share of affected devices.
        words: description of the fault.
        did: description of what `Point.did` counts; empty for nothing.
    """

    name: str
    rate: float
    words: str
    did: str


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a rule.

    Attributes:
        name: name of the rule in `invariants`.
        rule: description of the rule.
        holds: whether the rule held.
        observation: the observation behind the verdict.
    """

    name: str
    rule: str
    holds: bool = msgspec.field(name="held")
    observation: str = msgspec.field(name="found")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The complete result of a simulation; deterministic for given settings.

    Attributes:
        fault, rate: names of all faults, and the rate of the first one.
        faults: summaries of the faults.
        broken: description of all faults.
        devices, days, seed: settings.
        releases: description of each release, by counter.
        canary: number of devices in the first stage.
        exposed: number of devices that ever ran the new release.
        stage: first stage in which the fault appeared; the last stage if it never did.
        within: number of devices in the stages up to that one.
        beyond: devices that ran a bad release and do not belong to the stages up to that one.
        finished: the rollout came to the end of its last stage.
        halted: seconds from the start to the halt of the rollout; None without a halt.
        timeline, story: points and events in order of time.
        outcomes: number of outcomes by kind.
        states: number of states of the published metadata, each verified by the real client.
        verdicts: verdicts of the rules.
        detection: what each stage of the plan finds.
    """

    fault: str
    rate: float
    faults: tuple[FaultSummary, ...] = ()
    broken: str
    devices: int
    days: float
    seed: int
    releases: dict[int, str]
    canary: int
    exposed: int
    halted: float | None
    stage: str = msgspec.field(default="", name="found")
    within: int = 0
    beyond: int = 0
    finished: bool = False
    timeline: tuple[Point, ...]
    story: tuple[Line, ...]
    outcomes: dict[str, int]
    states: int
    verdicts: tuple[RuleVerdict, ...] = msgspec.field(name="held")
    detection: tuple[StageDetection, ...] = ()

    @property
    def moving(self) -> tuple[float, float]:
        """Start and end in seconds of the period with changes, plus a margin, for charts."""
        whole = self.days * 86_400.0
        some = max(1, self.devices // 20)  # ignore small changes, such as a few restarting devices
        seen = [(point.at, (point.versions, point.trial, point.away // some)) for point in self.timeline]
        changed = [later for (_, a), (later, b) in itertools.pairwise(seen) if a != b]
        if not changed:
            return 0.0, whole
        margin = max(600.0, 0.15 * (changed[-1] - changed[0]))
        return max(0.0, changed[0] - margin), min(whole, changed[-1] + margin)

    @property
    def spell(self) -> str:
        """Duration in words."""
        return "1 day" if self.days == 1 else f"{self.days:g} days"

    @property
    def good(self) -> bool:
        """Whether all rules held."""
        return all(rule.holds for rule in self.verdicts)


_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 56
_NAME = 9


def lines(result: Result, width: int = 80) -> Iterator[str]:
    """Yield the printed lines of a result, with at most `width` characters each."""
    title = f"Simulated: {result.devices:,} devices, {result.spell}, seed {result.seed}. Faults: {result.broken}"
    yield from _wrapped("", title, width)
    yield ""
    for line in result.story:
        yield from _wrapped(f"  {moment(line.at)}  ", line.text, width)
    yield ""
    yield from versions(result)
    yield from _wrapped("  ", _known(result), width)
    yield from effects(result)
    yield ""
    for rule in result.verdicts:
        yield from _wrapped(
            f"  {'holds' if rule.holds else 'VIOLATED'}  ", f"{rule.name}: {rule.rule} ({rule.observation})", width
        )


def _wrapped(head: str, text: str, width: int) -> Iterator[str]:
    rest = " " * len(head)
    yield from textwrap.wrap(text, width, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False)


def _known(result: Result) -> str:
    ran = {counter for point in result.timeline for counter, count in point.versions.items() if count}
    return "; ".join(f"release {counter}: {words}" for counter, words in result.releases.items() if counter in ran)


def versions(result: Result) -> Iterator[str]:
    """Yield a chart row for each release, trials and offline devices; a block shows the largest share in its period."""
    columns = _columns(result)
    rows = {
        f"release {counter}": [max(point.versions.get(counter, 0) for point in points) for points in columns]
        for counter in result.releases
    }
    rows["on trial"] = [max(point.trial for point in points) for points in columns]
    rows["away"] = [max(point.away for point in points) for points in columns]
    last = result.timeline[-1]
    ends = {**{f"release {counter}": last.versions.get(counter, 0) for counter in result.releases}}
    ends |= {"on trial": last.trial, "away": last.away}
    width = max(_NAME, *(len(name) for name in rows))
    for name, counts in rows.items():
        if any(counts):
            blocks = "".join(_block(count / result.devices) for count in counts)
            yield f"  {name:<{width}} |{blocks}| {ends[name]:,}"
    start, end = (moment(at) for at in result.moving)
    yield f"  {'':<{width}}  {start}{end:>{_WIDTH - len(start)}}"


def effects(result: Result) -> Iterator[str]:
    """Yield a chart row for each fault with its counts, scaled to their maximum."""
    columns = _columns(result)
    last = result.timeline[-1].did
    rows = [
        (fault, [max(point.did.get(fault.name, 0) for point in points) for points in columns])
        for fault in result.faults
        if fault.did
    ]
    for fault, counts in rows:
        blocks = "".join(_block(count / max(*counts, 1)) for count in counts)
        end = last.get(fault.name, 0)
        yield f"  {fault.name}: {fault.did}" + (f"; {end:,} in the end" if end != counts[-1] else "")
        yield f"  {'':<{_NAME}} |{blocks}| {counts[-1]:,}"


def moment(seconds: float) -> str:
    """Format a time such as '1 d 02:30'."""
    minutes = int(seconds // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _columns(result: Result) -> list[list[Point]]:
    """Return the points of each column; an empty column repeats the last point before it."""
    columns: list[list[Point]] = [[] for _ in range(_WIDTH)]
    start, end = result.moving
    for point in result.timeline:
        index = int((point.at - start) / (end - start) * _WIDTH)
        if index < _WIDTH:
            columns[max(0, index)].append(point)
    for index, points in enumerate(columns):
        if not points:
            points.append(columns[index - 1][-1] if index else result.timeline[0])
    return columns


def _block(share: float) -> str:
    """Return the block character of a share; every share above 0 is visible."""
    if share <= 0.0:
        return _BLOCKS[0]
    return _BLOCKS[min(len(_BLOCKS) - 1, max(1, round(share * (len(_BLOCKS) - 1))))]


HOUR = 3600.0
BEGINS = HOUR
"""Start of the rollout, in seconds after the start of the simulation."""
PARTS = 10
"""One of this many batches is in a cohort that only some stages name."""
LAST = HOUR / 3
"""Seconds in which the devices of a stage end their trials."""


def is_common(options: PlanOptions, name: str) -> bool:
    """Return whether every stage of a plan is for a cohort; simulated devices are all in it, else a tenth of them."""
    return all(name in stage.cohorts for stage in options.stages)


def detection_of(options: PlanOptions, devices: int) -> tuple[StageDetection, ...]:
    """Return what each stage of a complete plan finds with so many simulated devices."""
    parts = (
        PARTS if not stage.cohorts or any(is_common(options, name) for name in stage.cohorts)
        else min(PARTS, len(stage.cohorts)) for stage in options.stages
    )  # fmt: skip
    return preview_of(options, [devices * part // PARTS for part in parts])


def minimum_days(options: PlanOptions, report_s: float) -> float:
    """Return the shortest duration of a plan in days, rounded up to 0.01.

    Args:
        options: options of a complete plan.
        report_s: seconds between two reports of a device: a stage waits for those of its devices.
    """
    seconds = BEGINS + sum(stage.dwell + report_s for stage in options.stages) + LAST
    if options.windows:
        seconds += 8 * DAY  # a window may be a week away
    return math.ceil(100.0 * seconds / DAY) / 100.0


def cohort_tags(options: PlanOptions) -> Mapping[str, str]:
    """Return the tags of simulated devices in a cohort, by the cohort's name.

    Profiles, tags and ids of the real fleet are unknown here, so a tag replaces each condition.
    """
    return {name: f"cohort-{name}" for name in options.cohorts}


def plan_for(options: PlanOptions, release: Release, back: Release | None, now: float, salt: bytes) -> Plan:
    """Return the plan for a release, starting now.

    Raises:
        InputError: the plan is invalid.
    """
    cohorts = {name: Cohort(tags=(tag,)) for name, tag in cohort_tags(options).items()}
    options = msgspec.structs.replace(options, cohorts=cohorts, days=max(options.days, 60.0))
    name = f"{release.product}-{release.counter}"
    plan = make_plan(options, release, back, name=name, salt=salt.hex(), now=now)
    check(plan)
    return plan
