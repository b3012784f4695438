"""Scripted behaviour of a model on a device: good, wrong, slow, memory-hungry, crashing, or hanging the device."""
# ruff: noqa: D102 - a port's methods are described where it is declared

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from edgewright.core.records.fleet import Release, TrialLimits, Vitals
from edgewright.fleet.device.ports import Slots, Tested
from edgewright.fleet.protocol.layout import Clock

MEGABYTE = 1 << 20
WINDOWS = 1.0
"""Answers per second."""
CHANNELS = tuple(f"channel-{number}" for number in range(6))
"""Channels that a device monitors for drift."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour of one release on one device.

    Attributes:
        unsure: share of unsure answers.
        alarms: alarms per day.
        drifting: number of drifting channels.
        latency: p99 in seconds.
        memory: resident memory in bytes.
        well: total running seconds before the release stops behaving like a good one.
        crashes: seconds after each start at which the process exits by itself; 0 for never.
        kills: whether these exits are due to a lack of memory.
        hangs: seconds after each start at which the whole device hangs; 0 for never.
        watchdog: seconds after which a hanging device is restarted; infinite for never, so that the device is dead.
        fades: total running seconds in which the time before a hang shrinks to `FADED`; 0 for no change.
        wrong: share of confident wrong answers: a class that is rare in the old release's answers.
        power: electric power that the device draws, and processor time that it uses, relative to the old release.
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
    watchdog: float = 7200.0
    fades: float = 0.0
    wrong: float = 0.0
    power: float = 1.0

    @property
    def shows(self) -> bool:
        """Whether a device's true reports show the problem."""
        quiet = msgspec.structs.replace(
            self, well=0.0, crashes=0.0, kills=False, hangs=0.0, watchdog=GOOD.watchdog, fades=0.0
        )
        return quiet != GOOD

    def hang_s(self, ran_s: float) -> float:
        """Return the seconds from a start to the next hang, given earlier running time; infinite for never."""
        if not self.hangs:
            return math.inf
        left = max(0.0, 1.0 - ran_s / self.fades) if self.fades else 1.0
        return max(FADED, self.hangs * left) if self.fades else self.hangs


FADED = 20.0
"""Shortest running time in seconds between two restarts by a device's watchdog."""
PROCESSOR = 0.1
"""Share of a processor that the old release uses."""
BATTERY = 24 * 3600.0
"""Seconds that a full battery powers a device with the old release; solar power charges it every day."""
RECHARGE = 7200.0
"""Seconds that a device with an empty battery is off."""
_CLASSES = ("normal", "worn")
WORN = 0.1
"""Share of the second class in the old release's answers."""
GOOD = Behaviour()


def worse(first: Behaviour, other: Behaviour) -> Behaviour:
    """Combine the worst values of two behaviours; of two exits the earlier one counts."""
    if GOOD in (first, other):
        return other if first == GOOD else first
    return Behaviour(
        unsure=max(first.unsure, other.unsure), alarms=max(first.alarms, other.alarms),
        drifting=max(first.drifting, other.drifting), latency=max(first.latency, other.latency),
        memory=max(first.memory, other.memory), well=min(first.well, other.well),
        crashes=_first(first.crashes, other.crashes), kills=first.kills or other.kills,
        hangs=_first(first.hangs, other.hangs), watchdog=max(first.watchdog, other.watchdog),
        fades=_first(first.fades, other.fades), wrong=max(first.wrong, other.wrong),
        power=max(first.power, other.power),
    )  # fmt: skip


def _first(left: float, other: float) -> float:
    return min(left, other) if left and other else left or other


class ScriptedRunner:
    """Runs a simulated package (`fleet.device.ports.Runner`) with the counts of its behaviour.

    Args:
        clock: clock of the device.
        slots: slots of the device.
        behaviour: returns the behaviour of a release on this device.
        ran: seconds that each package has run on this device, by its hash; stored by the device.
    """

    def __init__(
        self, clock: Clock, slots: Slots, behaviour: Callable[[Release], Behaviour], ran: dict[str, float]
    ) -> None:
        self._clock, self._slots, self._behaviour_of, self._ran = clock, slots, behaviour, ran
        self._behaviour: Behaviour = GOOD
        self._since: float | None = None
        self._ended: str | None = None
        self._sha256 = ""
        self._figures: tuple[float, Vitals] | None = None

    def test(self, slot: str, limits: TrialLimits) -> Tested:
        """Pass the test vectors: they check the computation, while the simulated faults appear only in operation."""
        return Tested(ok=True)

    def start(self, slot: str, limits: TrialLimits | None) -> None:
        self.stop()
        release = self._slots.holds(slot)
        assert release is not None  # noqa: S101 - the agent starts only verified packages
        self._behaviour, self._sha256 = self._behaviour_of(release), release.sha256
        self._since, self._ended, self._figures = self._clock.monotonic(), None, None

    def stop(self) -> None:
        if self._since is not None:
            self._ran[self._sha256] = self._ran.get(self._sha256, 0.0) + self._seconds()
        self._since = self._figures = None

    def running(self) -> bool:
        self._look()
        return self._since is not None

    def ended(self) -> str | None:
        self._look()
        return self._ended

    def vitals(self) -> Vitals:
        seconds = self._seconds()
        if self._figures is None or self._figures[0] != seconds:  # one step calls this several times
            self._figures = seconds, self._counted(seconds)
        return self._figures[1]

    def _counted(self, seconds: float) -> Vitals:
        now = self._behaviour
        before = self._ran.get(self._sha256, 0.0)
        well = min(seconds, max(0.0, now.well - before))
        bad, windows = seconds - well, int(seconds * WINDOWS)
        unsure = int(WINDOWS * (well * GOOD.unsure + bad * now.unsure))
        worn = int(windows * WORN + bad * WINDOWS * now.wrong * (1.0 - WORN))
        alarms = _whole((well * GOOD.alarms + bad * now.alarms) / 86_400.0)
        return Vitals(
            seconds=seconds, windows=windows, unsure=min(unsure, windows), alarms=alarms,
            latency=(now.latency / 2.0, now.latency) if bad else (GOOD.latency / 2.0, GOOD.latency),
            memory=now.memory if bad else GOOD.memory, processor=PROCESSOR * (well + bad * now.power),
            drifting=CHANNELS[: now.drifting] if bad else (), channels=len(CHANNELS),
            classes=dict(zip(_CLASSES, (windows - worn, worn), strict=True)),
        )  # fmt: skip

    def next(self) -> float:
        """Return the monotonic seconds of the next crash or hang; infinite for none."""
        if self._since is None:
            return math.inf
        crash = self._behaviour.crashes or math.inf
        return self._since + min(crash, self._hang_s())

    def well(self) -> bool:
        """Return whether the process runs and always behaves well."""
        return self._since is not None and self._behaviour is GOOD

    def hung(self) -> bool:
        """Return whether the whole device hangs now, or its battery is empty."""
        return self._since is not None and self._hang_s() <= self._seconds()

    @property
    def down_s(self) -> float:
        """Return the downtime in seconds of a hanging device; infinite if nothing restarts it."""
        return RECHARGE if self._empty_s() <= self._seconds() else self._behaviour.watchdog

    def ailing(self) -> bool:
        """Return whether a true report would now show that the release is bad."""
        now, before = self._behaviour, self._ran.get(self._sha256, 0.0)
        if self._since is None or now is GOOD:
            return False
        faded = bool(now.fades) and now.hang_s(before) == FADED
        return faded or (now.shows and before + self._seconds() > now.well)

    def _hang_s(self) -> float:
        before = self._ran.get(self._sha256, 0.0)
        return min(self._behaviour.hang_s(before), self._empty_s())

    def _empty_s(self) -> float:
        """Return the seconds from this start until the battery is empty; infinite if charging is sufficient."""
        before, power = self._ran.get(self._sha256, 0.0), self._behaviour.power
        if power <= 1.0:
            return math.inf
        lasts = BATTERY / power
        left = lasts - before % lasts
        return left if left > 1.0 else left + lasts

    def _seconds(self) -> float:
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def _look(self) -> None:
        if self._since is not None and 0.0 < self._behaviour.crashes <= self._seconds():
            self.stop()
            self._ended = "out of memory: ended by the system" if self._behaviour.kills else "ended with signal 11"


def _whole(number: float) -> int:
    """Round an expected count; the first event comes in the middle of its interval."""
    return int(number + 0.5)
