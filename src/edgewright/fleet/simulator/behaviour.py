"""How a model behaves on a device, as a script: good, wrong, slow, hungry, crashing, or the end of the device."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from edgewright.fleet.device.ports import Slots, Tested
from edgewright.fleet.protocol.ports import Clock
from edgewright.schema.fleet_plan import Release, TrialLimits
from edgewright.schema.fleet_report import Vitals

MEGABYTE = 1 << 20
WINDOWS = 1.0
"""Answers a second."""
CHANNELS = tuple(f"channel-{number}" for number in range(6))
"""Channels whose drift a device watches."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One release on one device.

    Attributes:
        unsure: share of unsure answers.
        alarms: a day.
        drifting: channels that drift.
        latency: p99, seconds.
        memory: resident bytes.
        well: seconds of running, ever, for which it behaves like a good one before it does this.
        crashes: seconds after each start at which its process ends by itself; 0: never.
        kills: the end is for want of memory.
        hangs: seconds after each start at which the whole device hangs; 0: never.
    """

    unsure: float = 0.05
    alarms: float = 0.5
    drifting: int = 0
    latency: float = 0.02
    memory: int = 60 * MEGABYTE
    well: float = 0.0
    crashes: float = 0.0
    kills: bool = False
    hangs: float = 0.0


GOOD = Behaviour()


def worse(one: Behaviour, other: Behaviour) -> Behaviour:
    """Return what is bad about either; where both end the process, the earlier end."""
    if GOOD in (one, other):
        return other if one == GOOD else one
    return Behaviour(
        unsure=max(one.unsure, other.unsure), alarms=max(one.alarms, other.alarms),
        drifting=max(one.drifting, other.drifting), latency=max(one.latency, other.latency),
        memory=max(one.memory, other.memory), well=min(one.well, other.well),
        crashes=_first(one.crashes, other.crashes), kills=one.kills or other.kills,
        hangs=_first(one.hangs, other.hangs),
    )  # fmt: skip


def _first(one: float, other: float) -> float:
    return min(one, other) if one and other else one or other


class ScriptedRunner:
    """Runs a simulated package (`fleet.device.ports.Runner`) with the counts of this behaviour.

    Args:
        clock: of the device.
        slots: of the device.
        behaviour: of a release on this device.
        ran: seconds that each package ran here before, by its hash; kept by the device.
    """

    def __init__(
        self, clock: Clock, slots: Slots, behaviour: Callable[[Release], Behaviour], ran: dict[str, float]
    ) -> None:
        self._clock, self._slots, self._behaviour_of, self._ran = clock, slots, behaviour, ran
        self._behaviour: Behaviour = GOOD
        self._since: float | None = None
        self._ended: str | None = None
        self._sha256 = ""
        self._said: tuple[float, Vitals] | None = None

    def test(self, slot: str, limits: TrialLimits) -> Tested:
        """Test vectors say what the model computes, not whether it suits its surroundings: they pass."""
        return Tested(ok=True)

    def start(self, slot: str, limits: TrialLimits | None) -> None:
        """Start the package of a slot."""
        self.stop()
        release = self._slots.holds(slot)
        assert release is not None  # noqa: S101 - the agent starts only what it has verified
        self._behaviour, self._sha256 = self._behaviour_of(release), release.sha256
        self._since, self._ended, self._said = self._clock.monotonic(), None, None

    def stop(self) -> None:
        """Stop the package."""
        if self._since is not None:
            self._ran[self._sha256] = self._ran.get(self._sha256, 0.0) + self._seconds()
        self._since = self._said = None

    def running(self) -> bool:
        """Return whether it lives."""
        self._look()
        return self._since is not None

    def ended(self) -> str | None:
        """How it ended by itself."""
        self._look()
        return self._ended

    def vitals(self) -> Vitals:
        """Return the counts since `start`."""
        seconds = self._seconds()
        if self._said is None or self._said[0] != seconds:  # one step asks several times
            self._said = seconds, self._counted(seconds)
        return self._said[1]

    def _counted(self, seconds: float) -> Vitals:
        now = self._behaviour
        before = self._ran.get(self._sha256, 0.0)
        well = min(seconds, max(0.0, now.well - before))
        bad, windows = seconds - well, int(seconds * WINDOWS)
        unsure = int(WINDOWS * (well * GOOD.unsure + bad * now.unsure))
        alarms = _whole((well * GOOD.alarms + bad * now.alarms) / 86_400.0)
        return Vitals(
            seconds=seconds, windows=windows, unsure=min(unsure, windows), alarms=alarms,
            latency=(now.latency / 2.0, now.latency) if bad else (GOOD.latency / 2.0, GOOD.latency),
            memory=now.memory if bad else GOOD.memory, drifting=CHANNELS[: now.drifting] if bad else (),
            channels=len(CHANNELS),
        )  # fmt: skip

    def next(self) -> float:
        """Monotonic seconds at which something happens to it by itself; infinite where nothing will."""
        if self._since is None:
            return math.inf
        ends = [self._since + at for at in (self._behaviour.crashes, self._behaviour.hangs) if at]
        return min(ends, default=math.inf)

    def well(self) -> bool:
        """Return whether it runs and behaves like a good one for ever."""
        return self._since is not None and self._behaviour is GOOD

    def hung(self) -> bool:
        """Return whether the whole device hangs now."""
        return self._since is not None and 0.0 < self._behaviour.hangs <= self._seconds()

    def _seconds(self) -> float:
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def _look(self) -> None:
        if self._since is not None and 0.0 < self._behaviour.crashes <= self._seconds():
            self.stop()
            self._ended = "out of memory: ended by the system" if self._behaviour.kills else "ended with signal 11"


def _whole(number: float) -> int:
    """Whole events of a rate: the first comes in the middle of its time."""
    return int(number + 0.5)
