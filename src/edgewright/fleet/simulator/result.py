"""What a simulation says: versions over time, what happened in order, and whether what must hold held."""

from __future__ import annotations

import itertools

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
