"""What a simulation says: versions over time, what happened in order, and whether what must hold held."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator

import msgspec


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet at one moment.

    Attributes:
        at: seconds since the simulation began.
        versions: devices by the release that they run.
        trial: devices whose release is on trial.
        away: devices without network or power.
        did: what each fault did so far, by its name; `FaultSummary.did` says what is counted.
        ended: how trials of the new release ended so far, and who was called back: devices.
    """

    at: float
    versions: dict[int, int]
    trial: int = 0
    away: int = 0
    did: dict[str, int] = {}
    ended: dict[str, int] = {}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, `at` seconds after the beginning, in words."""

    at: float
    text: str


class FaultSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One fault.

    Attributes:
        name: of it.
        rate: share that it concerns.
        words: what is broken.
        did: what `Point.did` counts of it; empty for nothing.
    """

    name: str
    rate: float
    words: str
    did: str


class RuleVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must hold.

    Attributes:
        name: of the rule, its name in `invariants`.
        rule: in words.
        held: whether it did.
        found: what was found.
    """

    name: str
    rule: str
    held: bool
    found: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a simulation says; the same for the same settings.

    Attributes:
        fault, rate: what was broken, and for which share of the devices; of several: all names, the first one's rate.
        faults: each of them.
        broken: all of it, in words.
        devices, days, seed: settings.
        releases: what each counter is.
        canary: devices of the first stage. `exposed`: that ever ran the new release.
        halted: seconds after the beginning at which the rollout was halted; None where it was not.
        timeline, story: in order of time.
        outcomes: what devices reported, counted by what it was.
        states: of the published metadata, each verified by the real client.
        held: rules.
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
    timeline: tuple[Point, ...]
    story: tuple[Line, ...]
    outcomes: dict[str, int]
    states: int
    held: tuple[RuleVerdict, ...]

    @property
    def moving(self) -> tuple[float, float]:
        """Seconds between which something changed, with a margin: the part of the time that is worth a drawing."""
        whole = self.days * 86_400.0
        some = max(1, self.devices // 20)  # a few that restart are no change worth a drawing
        seen = [(point.at, (point.versions, point.trial, point.away // some)) for point in self.timeline]
        changed = [later for (_, a), (later, b) in itertools.pairwise(seen) if a != b]
        if not changed:
            return 0.0, whole
        margin = max(600.0, 0.15 * (changed[-1] - changed[0]))
        return max(0.0, changed[0] - margin), min(whole, changed[-1] + margin)

    @property
    def spell(self) -> str:
        """How long, in words."""
        return "1 day" if self.days == 1 else f"{self.days:g} days"

    @property
    def good(self) -> bool:
        """Whether everything held that must."""
        return all(one.held for one in self.held)


_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 56
_NAME = 9


def lines(result: Result, width: int = 80) -> Iterator[str]:
    """Yield everything that is printed of a result, in lines of so many letters at most."""
    what = f"Simulated: {result.devices:,} devices, {result.spell}, seed {result.seed}. Faults: {result.broken}"
    yield from _wrapped("", what, width)
    yield ""
    for line in result.story:
        yield from _wrapped(f"  {moment(line.at)}  ", line.text, width)
    yield ""
    yield from versions(result)
    yield from _wrapped("  ", _known(result), width)
    yield from effects(result)
    yield ""
    for one in result.held:
        yield from _wrapped(
            f"  {'holds' if one.held else 'VIOLATED'}  ", f"{one.name}: {one.rule} ({one.found})", width
        )


def _wrapped(head: str, text: str, width: int) -> Iterator[str]:
    rest = " " * len(head)
    yield from textwrap.wrap(text, width, initial_indent=head, subsequent_indent=rest, break_on_hyphens=False)


def _known(result: Result) -> str:
    """Return what the releases are that somebody ran."""
    ran = {counter for point in result.timeline for counter, count in point.versions.items() if count}
    return "; ".join(f"release {counter}: {words}" for counter, words in result.releases.items() if counter in ran)


def versions(result: Result) -> Iterator[str]:
    """Yield a row for each release and for who is away; a block shows the largest share of the devices in its time."""
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
            drawn = "".join(_block(count / result.devices) for count in counts)
            yield f"  {name:<{width}} |{drawn}| {ends[name]:,}"
    start, end = (moment(at) for at in result.moving)
    yield f"  {'':<{width}}  {start}{end:>{_WIDTH - len(start)}}"


def effects(result: Result) -> Iterator[str]:
    """Yield a row for each fault: what it did, each against its own most."""
    columns = _columns(result)
    last = result.timeline[-1].did
    rows = [
        (one, [max(point.did.get(one.name, 0) for point in points) for points in columns])
        for one in result.faults
        if one.did
    ]
    for one, counts in rows:
        drawn = "".join(_block(count / max(*counts, 1)) for count in counts)
        end = last.get(one.name, 0)
        yield f"  {one.name}: {one.did}" + (f"; {end:,} in the end" if end != counts[-1] else "")
        yield f"  {'':<{_NAME}} |{drawn}| {counts[-1]:,}"


def moment(seconds: float) -> str:
    """Such as '1 d 02:30'."""
    minutes = int(seconds // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _columns(result: Result) -> list[list[Point]]:
    """Return the points of each column; one without any has the last one before it."""
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
    """One character; what is there at all is seen."""
    if share <= 0.0:
        return _BLOCKS[0]
    return _BLOCKS[min(len(_BLOCKS) - 1, max(1, round(share * (len(_BLOCKS) - 1))))]
