"""One simulated device: the real agent with a simulated disk, network, clock and model."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgewright.fleet.device.device_state import DeviceState
from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.device.reports import Outbox, ReportSender
from edgewright.fleet.device.state_database import State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.simulator.behaviour import Behaviour, ScriptedRunner
from edgewright.fleet.simulator.disk import Disk, DiskSlots, KeptState, PowerCut
from edgewright.fleet.simulator.event_queue import BEGIN, Clock, EventQueue, SeededRandom
from edgewright.fleet.simulator.network import FleetServer, Link, LinkedControl, LinkedPackages
from edgewright.fleet.simulator.served_fleet import PRODUCT
from edgewright.fleet.simulator.verification_cache import RememberedTrust, Verifier
from edgewright.schema.fleet_plan import Release
from edgewright.schema.fleet_report import Enrolled, Outcome, Report

POLL = 60.0
"""Seconds between two polls for news."""
SETTLED = 60.0
"""Minimum seconds until the next report of a device that has reported everything."""
REBOOT = 45.0
"""Start time of a device in seconds."""
_SURE = 1e-3
CONFIG = DeviceConfig(
    product=PRODUCT, profile="gateway", version="0.1.0", poll=POLL, slowest=3600.0, look=20.0, keep=600.0,
)  # fmt: skip


class Device:
    """A device in the simulation.

    Args:
        number: number of the device, from 0.
        events, served, verifier: shared parts of the simulation.
        chance: the device's own random numbers.
        behaviour: returns the behaviour of a release on a device.
        report: called with each outcome of the device.
        reported: called with each acknowledged report of the device.
        calm: returns whether reports without news may be skipped; None if they never may.
        config: product and intervals.

    Attributes:
        alter_report: replaces a report with a false one; None for the truth.
        off: whether the device has no power.
        new: behaviour of the new release on this device; None until it is drawn.
        cuts: number of power cuts.
        downs: times without power or hung as (start, end), seconds since 1970; infinite if nothing restarts the device.
        twins: whether another device has the same key.
    """

    def __init__(
        self, number: int, events: EventQueue, served: FleetServer, verifier: Verifier, chance: SeededRandom,
        behaviour: Callable[[Device, Release], Behaviour], report: Callable[[Device, Outcome], None],
        reported: Callable[[Device, Report], None], calm: Callable[[], bool] | None = None,
        config: DeviceConfig = CONFIG,
    ) -> None:  # fmt: skip
        self.number, self._events, self._served, self._verifier = number, events, served, verifier
        self.chance, self._behaviour, self._on_report, self._on_answer = chance, behaviour, report, reported
        self._calm, self._config = calm, config
        self.clock, self.disk, self.link = Clock(events), Disk(), Link(events, chance)
        self.alter_report: Callable[[Report], Report] | None = None
        self.off = False
        self.cuts = 0
        self.downs: list[tuple[float, float]] = []
        self.twins = False
        self.outbox: Outbox | None = None
        self.agent: Agent | None = None
        self.new: Behaviour | None = None
        self.state: State | None = None
        self._report: tuple[Report, Report] | None = None
        self._wake = self._seen = 0
        self._due = math.inf
        self._looked: float | None = None

    @property
    def name(self) -> str:
        """Name for people."""
        return f"device-{self.number + 1:05d}"

    @property
    def device_state(self) -> DeviceState:
        """State on the device's disk."""
        assert self.state is not None  # noqa: S101 - every device has a disk
        return self.state.device_state

    @property
    def id(self) -> str:
        """Id that the control plane assigned."""
        assert self.state is not None  # noqa: S101
        return self.state.link.device

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the enrolment."""
        assert self.state is not None  # noqa: S101
        return self.state.link.tags

    def enrolled(self, answer: Enrolled) -> None:
        """Enrol the device with its first release."""
        DiskSlots(self.disk).put("a", self._served.old, self._served.old.counter)
        self.disk.floors["b"] = self._served.old.counter
        self.state = KeptState(self.disk)
        self.state.enrol(answer)

    @property
    def dead(self) -> bool:
        """Whether only a person on site can restart the device."""
        return bool(self.downs) and math.isinf(self.downs[-1][1])

    @property
    def answering(self) -> bool:
        """Whether the model answers, or will after the device has started."""
        if self.off:
            return self.downs[-1][1] - self._events.now <= REBOOT
        return self.agent is not None and self.runner.running() and not self.runner.hung()

    def boot(self) -> None:
        """Start the agent from the state on the disk."""
        disk, clock, chance, link = self.disk, self.clock, self.chance, self.link
        slots, state = DiskSlots(disk), KeptState(disk, self._watched)
        self.state = state
        control = LinkedControl(self._served, link, self._say, lambda report: self._on_answer(self, report))
        control.device = state.link.device
        self.runner = ScriptedRunner(clock, slots, lambda release: self._behaviour(self, release), disk.ran)
        self.trust = RememberedTrust(self._verifier, link, clock, disk)
        self.agent = Agent(
            self._config, state=state, slots=slots, runner=self.runner, trust=self.trust,
            packages=LinkedPackages(self._served, link), control=control, clock=clock, chance=chance,
            reporter=ReportSender(state, control, clock, chance, outbox=self.outbox),
        )  # fmt: skip

    def wake(self, within: float = 0.0) -> None:
        """Schedule the next step at a random time within `within` seconds, unless an earlier one is scheduled."""
        moment = self._events.now + within * self.chance.share()
        if self._looked is not None:
            look = self._looked
            while look <= self._events.now:
                look = self._after_look(look)
            if moment >= look:
                return  # the skipped check would have come first
        self._at(moment)

    def cut_power(self, seconds: float = REBOOT) -> None:
        """Cut the power: drop data that is not durable, and restart after `seconds`."""
        self.cuts += 1
        self.downs.append((self._events.now, self._events.now + seconds))
        self._looked = None
        if self.agent is not None:
            self.runner.stop()
        self.agent, self.off = None, True
        self.disk.lose(self.chance.share())
        self.state = KeptState(self.disk)
        for outcome in self.state.outcomes:  # durable outcomes that were not observed before the power cut
            if outcome.number > self._seen:
                self._watched(outcome)
        self._due = math.inf
        self._at(self._events.now + seconds)

    def _watched(self, outcome: Outcome) -> None:
        self._seen = outcome.number
        self._on_report(self, outcome)

    def _say(self, report: Report) -> Report:
        if self.alter_report is None:
            return report
        if self._report is None or self._report[0] != report:
            self._report = report, self.alter_report(report)  # a repeated report must be identical
        return self._report[1]

    def _at(self, moment: float) -> None:
        if moment >= self._due:
            return
        self._due = moment
        self._wake += 1
        number = self._wake
        self._events.at(moment, lambda: self._step(number))

    def _step(self, number: int) -> None:
        if number != self._wake:
            return
        self._due, self.off, self._looked = math.inf, False, None
        try:
            if self.agent is None:
                self.boot()
            assert self.agent is not None  # noqa: S101 - it has just started
            if self.runner.hung():
                self.cut_power(self.runner.down_s)  # the device hangs until a watchdog restarts it
                return
            wait = self.agent.step()
        except PowerCut:
            self.cut_power()
            return
        moment = self._events.now + max(self._next(wait), 0.5)
        if (
            self._calm is not None
            and self.device_state.trial is not None
            and not self.clock.skew
            and self.runner.well()
        ):
            moment = self._over_looks(moment)
        self._at(moment)

    def _over_looks(self, moment: float) -> float:
        """Return the time of the next step of a trial that goes well, skipping checks without effect.

        The times of the skipped checks are computed exactly as in the steps, so that later events have the same times.
        """
        trial, agent, now = self.device_state.trial, self.agent, self._events.now
        assert trial is not None and agent is not None  # noqa: S101 - the caller checks it
        left = trial.limits.seconds - agent.supervisor.counts().seconds
        until = min(BEGIN + agent.quiet_until, now + left) - _SURE
        while moment < until:
            self._looked, moment = now, self._after_look(moment)
        return moment

    def _after_look(self, moment: float) -> float:
        """Return the time of the step that follows a check without effect, in a trial that goes well."""
        assert self.agent is not None  # noqa: S101
        at = moment - BEGIN
        return moment + max(min(at + self._config.look, self.agent.contact_at) - at, 0.5)

    def _next(self, wait: float) -> float:
        """Return the seconds until the next step, skipping polls of an idle device that would find nothing."""
        assert self.agent is not None  # noqa: S101
        now = self.clock.monotonic()
        if self.agent.phase not in ("idle", "quarantined") or self.device_state.trial or not self.runner.running():
            if self.agent.phase in ("ready", "intent") and self.runner.running():
                wait = max(wait, self._config.poll)  # more frequent checks of a healthy process have no effect
            return min(wait, self.runner.next() - now)
        if self.trust.behind and not self.link.down:
            return wait
        if self._calm is not None and self._calm() and self._rests():
            return self.runner.next() - now
        return min(self.agent.report_at, self.runner.next()) - now

    def _rests(self) -> bool:
        """Return whether the device's reports contain no news until the next publication.

        This holds only for devices without faults; their reports may then be skipped.
        """
        link = self.link
        ordinary = not (link.away or link.loss or link.spoilt or self.clock.skew or self.twins)
        ordinary = ordinary and self.alter_report is None and self.disk.cut is None and self.outbox is None
        assert self.agent is not None and self.state is not None  # noqa: S101
        reported = not self.state.outcomes and self.agent.report_at > self.clock.monotonic() + SETTLED
        return ordinary and reported and self.agent.settled


def copy_of(device: Device, twin: Device) -> None:
    """Make `twin` a clone of a device: it starts with the same key, id and state."""
    device.twins = twin.twins = True
    twin.disk.kept, twin.disk.outcomes = dict(device.disk.kept), dict(device.disk.outcomes)
    twin.disk.slots, twin.disk.floors = dict(device.disk.slots), dict(device.disk.floors)
    twin.disk.digests = dict(device.disk.digests)
    twin.disk.verified = device.disk.verified
    twin.state = KeptState(twin.disk)
