"""One simulated device: the real agent with a simulated disk, network, clock and model."""
# ruff: noqa: D102 - `Trust` describes the methods of `RememberedTrust`

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.records.fleet import Enrolled, Outcome, Plan, Release, Report
from edgewright.device.store.database import Connection, connect
from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.device.reports import Outbox, ReportSender
from edgewright.fleet.device.state_database import DeviceState, State
from edgewright.fleet.device.state_machine import Agent
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import Refused, Seen
from edgewright.fleet.protocol.transport import FolderTransport
from edgewright.fleet.simulator.behaviour import Behaviour, ScriptedRunner
from edgewright.fleet.simulator.disk import Disk, DiskSlots, KeptState, PowerCut
from edgewright.fleet.simulator.network import (
    BEGIN,
    Clock,
    EventQueue,
    FleetServer,
    Link,
    LinkedControl,
    LinkedPackages,
    SeededRandom,
)
from edgewright.fleet.simulator.served_fleet import PRODUCT

_AHEAD = 600.0
"""Seconds of a device's clock for which a result is reused."""
_NOTHING = Seen(standings=None, fresh=False, signed=0.0, versions={}, changed=False)


class _FixedClock:
    """A clock with a settable time."""

    def __init__(self, wall: float) -> None:
        self.now = wall

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Verifier:
    """Verifies the published states, numbered from 1; 0 means no state.

    Args:
        folder: empty folder for the clients' files.
        public: the served folder.
        root: bytes and SHA-256 of the devices' pinned root.
    """

    def __init__(self, folder: Path, public: Path, root: tuple[bytes, str]) -> None:
        self._folder, self._root = folder, root
        self._transport = FolderTransport(public)
        self._clock = _FixedClock(0.0)
        self._main = self._client(folder / "trust", self._clock)
        self._states: list[tuple[Client, _FixedClock] | Refused] = []
        self._elsewhere: dict[tuple[int, str], Refused | None] = {}
        self._seen: dict[int, tuple[float, float, Seen]] = {}
        self._plans: dict[tuple[str, str], tuple[Plan, bytes]] = {}
        self._checked: dict[tuple[int, Release], Refused | None] = {}

    @property
    def newest(self) -> int:
        """Number of the newest published state."""
        return len(self._states)

    def published(self, now: float) -> None:
        """Verify a new publication."""
        self._clock.now = now
        try:
            self._main.refresh()
        except Refused as error:
            self._states.append(error)
            return
        fixed_clock = _FixedClock(now)
        # This client has loaded the state verified so far and does not read it again.
        self._states.append((Client(self._folder / "trust", self._transport, fixed_clock, opener=_quick), fixed_clock))

    def latest(self, state: int, wall: float) -> Seen:
        """Return the view of a device with a state, by the device's clock."""
        if state == 0:
            return _NOTHING
        first, last, seen = self._seen.get(state, (0.0, 0.0, _NOTHING))
        if first <= wall < last:
            return seen
        kept = self._states[state - 1]
        if isinstance(kept, Refused):
            raise kept
        client, fixed_clock = kept
        fixed_clock.now = wall
        seen = client.latest()
        # Metadata expires only once, so equal results at two times hold for the time in between too.
        fixed_clock.now = wall + _AHEAD
        if client.latest() == seen:
            self._seen[state] = (wall, wall + _AHEAD, seen)
        return seen

    def verify(self, wall: float) -> int:
        """Verify the newest state with a device's clock and return its number.

        Raises:
            Refused: the state is not valid by this clock.
        """
        state = self.newest
        if state == 0:
            return 0
        seen = self.latest(state, wall)
        kind = "behind" if wall < seen.signed else "" if seen.fresh else "beyond"
        if kind:
            if (state, kind) not in self._elsewhere:
                self._elsewhere[state, kind] = self._from_root(wall)
            refused = self._elsewhere[state, kind]
            if refused is not None:
                raise refused
        return state

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        """Return a verified plan and its bytes."""
        if (name, sha256) not in self._plans:
            self._plans[name, sha256] = self._main.plan(name, sha256)
        return self._plans[name, sha256]

    def check(self, release: Release) -> None:
        """Check that the signed metadata names the package."""
        key = (self.newest, release)
        if key not in self._checked:
            self._checked[key] = None
            try:
                self._main.check(release)
            except Refused as error:
                self._checked[key] = error
        refused = self._checked[key]
        if refused is not None:
            raise refused

    def path(self, release: Release) -> str:
        """Return the path of a release's bytes."""
        return self._main.path(release)

    def close(self) -> None:
        """Close the clients."""
        for state in self._states:
            if not isinstance(state, Refused):
                state[0].close()
        self._main.close()

    def _client(self, folder: Path, clock: Clock | _FixedClock) -> Client:
        pin(folder, *self._root)
        return Client(folder, self._transport, clock, opener=_quick)

    def _from_root(self, wall: float) -> Refused | None:
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            client = self._client(Path(scratch) / "trust", _FixedClock(wall))
            try:
                client.refresh()
            except Refused as error:
                return error
            finally:
                client.close()
        return None


class RememberedTrust:
    """Implements `fleet.protocol.ports.Trust` for one device with the shared verification results."""

    def __init__(self, verifier: Verifier, link: Link, clock: Clock, disk: Disk) -> None:
        self._verifier, self._link, self._clock, self._disk = verifier, link, clock, disk

    @property
    def behind(self) -> bool:
        """Whether the device has not verified the newest state."""
        return self._disk.verified != self._verifier.newest

    def refresh(self) -> Seen:
        self._link.reach()
        if not self.behind:
            return self.latest()
        self._disk.verified = self._verifier.verify(self._clock.wall())
        return msgspec.structs.replace(self.latest(), changed=True)

    def latest(self) -> Seen:
        return self._verifier.latest(self._disk.verified, self._clock.wall())

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        self._link.reach()
        return self._verifier.plan(name, sha256)

    def check(self, release: Release) -> None:
        self._link.reach()
        self._verifier.check(release)

    def path(self, release: Release) -> str:
        return self._verifier.path(release)


def _quick(path: Path, writable: bool) -> Connection:
    """Open a temporary database."""
    opened = connect(path, writable)
    opened.execute("PRAGMA locking_mode=NORMAL")
    return opened


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


@dataclass
class _NextStep:
    """The scheduled step of a device.

    Attributes:
        number: identifies the newest schedule; steps of earlier ones are ignored.
        due: seconds since 1970; infinity for none.
        looked: time of the last step before skipped checks; None if none were skipped.
    """

    number: int = 0
    due: float = math.inf
    looked: float | None = None


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
        self._seen = 0
        self._next_step = _NextStep()

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
        if self._next_step.looked is not None:
            look = self._next_step.looked
            while look <= self._events.now:
                look = self._after_look(look)
            if moment >= look:
                return  # the skipped check would have come first
        self._at(moment)

    def cut_power(self, seconds: float = REBOOT) -> None:
        """Cut the power: drop data that is not durable, and restart after `seconds`."""
        self.cuts += 1
        self.downs.append((self._events.now, self._events.now + seconds))
        self._next_step.looked = None
        if self.agent is not None:
            self.runner.stop()
        self.agent, self.off = None, True
        self.disk.lose(self.chance.share())
        self.state = KeptState(self.disk)
        for outcome in self.state.outcomes:  # durable outcomes that were not observed before the power cut
            if outcome.number > self._seen:
                self._watched(outcome)
        self._next_step.due = math.inf
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
        if moment >= self._next_step.due:
            return
        self._next_step.due = moment
        self._next_step.number += 1
        number = self._next_step.number
        self._events.at(moment, lambda: self._step(number))

    def _step(self, number: int) -> None:
        if number != self._next_step.number:
            return
        self._next_step.due, self.off, self._next_step.looked = math.inf, False, None
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
            self._next_step.looked, moment = now, self._after_look(moment)
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
