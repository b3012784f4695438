"""The agent is updated: environments of wheels, trials, ways back, a release without an agent, and what is deleted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.faults.fleet_device import Device, Fleet, plan
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.core.records.fleet import Acknowledged, TrialLimits
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.agent_choice import AgentChoice, Environments
from edgewright.fleet.protocol.layout import digest

_QUICK = TrialLimits(seconds=20.0, crashes=0, boots=100)
_RELEASES = ((1, 0), (3, 1), (5, 1), (7, 5))
_LAST = 21


def _wheel(counter: int) -> dict[str, bytes]:
    """Return a wheel set of one small wheel, whole and real."""
    info, content = f"edgewright-{counter}.dist-info", io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("edgewright_agent.py"), f"VERSION = {counter}\n" * 300)
        archive.writestr(
            zipfile.ZipInfo(f"{info}/METADATA"), f"Metadata-Version: 2.1\nName: edgewright\nVersion: {counter}\n"
        )
        archive.writestr(
            zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            zipfile.ZipInfo(f"{info}/RECORD"),
            f"edgewright_agent.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        )
    return {f"edgewright-{counter}-py3-none-any.whl": content.getvalue()}


# Release 5 carries no agent: it keeps the one of release 1.
WHEELS = {counter: _wheel(counter) for counter in (1, 3, 7)}


class Promise(NamedTuple):
    """The release that runs, the environment of its agent, and the floor."""

    active: int
    environment: str
    floor: int


class Updated(Device):
    """A device whose agents are installed by pip, and started as the launcher chooses."""

    def environment(self) -> str:
        """Of the agent that the launcher starts."""
        return AgentChoice(self.folder, opener=self.opener).choose()

    def prepare(self, slot: str) -> str:
        """Install the wheels of a release."""
        installed = self.slots.holds(slot)
        wheels = WHEELS.get(installed.counter if installed else 0)
        environments = Environments(self.folder)
        if wheels is None or environments.python(digest(wheels)) is not None:
            return digest(wheels) if wheels else ""
        return environments.install(wheels, lambda python: None)

    def run(self, seconds: float, rows: bool = True, max_step_s: float = 10.0) -> None:
        """Go on, and start another agent where the state names one."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            before = self.state.device_state.environment
            super().run(min(5.0, until - self.clock.now), rows, max_step_s)
            if self.state.device_state.environment != before:
                self.restart()
            elif self.process.up:
                nonce = f"n{int(self.clock.now)}"
                self.state.acknowledge(Acknowledged(nonce=nonce, outcomes=self.state.device_state.outcome))


def promise(device: Device) -> Promise:
    """Return what the device holds now."""
    device_state = device.state.device_state
    return Promise(device_state.counter, device_state.environment, device_state.floor)


def use(folder: Path, recorder: Recorder) -> None:
    """Four releases, three of them with an agent, one of which fails its trial."""
    device = Updated(folder, Fleet(), opener=recorder.connect)
    recorder.promise(promise(device))
    for counter, old in _RELEASES:
        device.fleet.publish(plan(counter, old=old, trial=_QUICK))
        while device.state.device_state.counter != counter:
            device.run(2.0)
        recorder.promise(promise(device))
        if counter == 3:
            device.run(4.0)
            device.process.crash()
        device.run(60.0)
        recorder.promise(promise(device))
        device.cut()
    device_state = device.state.device_state
    Environments(folder).keep({device_state.environment, device_state.environment_before})
    recorder.promise(promise(device))
    device.state.close()


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again; a killed process left the state."""
    device = _again(folder, recorder.connect)
    device.run(5.0)
    device.state.close()


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong: the agent that runs is whole, is that of the release, and takes the next release."""
    device = _again(folder, connect)
    try:
        state, name = device.state.device_state, device.state.device_state.environment
        if name and Environments(folder).python(name) is None:
            return f"environment {name} is to run and is not whole"
        allowed = {one.environment for one in (before, after) if one is not None} | {state.environment_before, ""}
        if before is not None and after is not None and before == after and name != before.environment:
            return f"environment {name!r} instead of {before.environment!r}"
        if before is not None and before.environment and not name:
            return "the confirmed agent is lost"
        if name not in allowed | {digest(one) for one in WHEELS.values()}:
            return f"an environment that nobody signed: {name}"
        if before is not None and state.floor < before.floor:
            return f"floor {state.floor} after {before.floor}"
        device.follow(plan(_LAST, trial=_QUICK), 150.0)
        if (device.active(), device.state.device_state.floor) != (_LAST, _LAST):
            return f"the next release was not taken: {device.agent.why}"
        # A trial that was cut off may have gone back before.
        kept = {name, state.trial.environment if state.trial is not None else name}
        return "" if device.state.device_state.environment in kept else "a release without an agent changed the agent"
    finally:
        device.state.close()


def _again(folder: Path, opener: Connect) -> Updated:
    fleet = Fleet()
    for counter, old in _RELEASES:
        fleet.publish(plan(counter, old=old, trial=_QUICK), "paused")
    return Updated(folder, fleet, opener=opener)


WORKLOAD = Workload("agent that is updated", use, recover, check, share=0.02, kills=6)  # each installs by pip
