"""Which agent runs: it changes with the active release, goes back with it, and is confirmed by a report of its own."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import Device, plan

from edgewright.fleet.device.agent_choice import STARTS, AgentChoice
from edgewright.fleet.device.environments import MARKER, Environments, _fingerprint
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.wheel_set import FOLDER, wheels_of
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Acknowledged

QUICK = TrialLimits(seconds=20.0, patience=300.0)


class Renewed(Device):
    """Release 1 and 5 carry an agent; this process is the one that the state names."""

    def environment(self) -> str:
        if not (self.folder / "update.sqlite").exists():
            return ""
        state = State.open(self.folder)
        state.close()
        return state.device_state.environment

    def prepare(self, slot: str) -> str:
        installed = self.slots.holds(slot)
        return {1: "one", 5: "five"}.get(installed.counter if installed else 0, "")

    def install(self, counter: int, old: int = 0) -> None:
        """Publish a release, activate it, and start what the state names."""
        self.fleet.publish(plan(counter, old=old, trial=QUICK))
        while self.state.device_state.counter != counter:
            self.run(2.0, max_step_s=2.0)
        self.restart()

    def acknowledged(self) -> None:
        self.state.acknowledge(Acknowledged(nonce=f"n{self.clock.now}", outcomes=self.state.device_state.outcome))


def test_a_new_agent_is_confirmed_by_its_own_report_and_goes_back_without_one(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    device.acknowledged()  # of the agent before: it does not count for the new one
    device.install(1)
    device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 0)
    assert "has not reached the control plane" in device.agent.why
    device.acknowledged()
    device.run(5.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 1)

    device.install(3)  # carries no agent
    device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("one", 3)

    device.install(5, old=3)
    assert device.state.device_state.environment == "five"
    # The new agent never ends its own trial: the launcher does.
    device.run(600.0)
    assert device.state.device_state.environment == "five"


def test_an_abort_takes_a_confirmed_agent_back(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    for counter in (1, 5):
        device.install(counter, old=1 if counter == 5 else 0)
        device.acknowledged()
        device.run(60.0)
    assert (device.state.device_state.environment, device.state.device_state.floor) == ("five", 5)
    device.fleet.stand("plan-5", "aborted", revert=True)
    device.run(70.0)
    assert (device.state.device_state.environment, device.state.device_state.counter) == ("one", 6)


def whole(folder: Path, name: str) -> None:
    """Lay down what `Environments.python` takes for whole: files and a marker of their hash."""
    environment = folder / "environments" / name
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text("")
    (environment / MARKER).write_text(_fingerprint(environment))


def test_the_launcher_goes_back_from_an_agent_that_never_reports_or_is_damaged(tmp_path: Path) -> None:
    for damaged in (False, True):
        device = Renewed(tmp_path / f"d{damaged}")
        whole(device.folder, "one")
        device.install(1)
        device.state.close()
        for _ in range(STARTS):
            assert AgentChoice(device.folder).choose() == "one"
            if damaged:
                (device.folder / "environments" / "one" / "bin" / "python").write_text("torn")
                break
        assert AgentChoice(device.folder).choose() == ""
        state = State.open(device.folder)
        state.close()
        assert (state.device_state.environment, state.device_state.counter, state.device_state.burned) == ("", 0, (1,))
        assert state.outcomes[-1].because == ("damaged" if damaged else "start")


def test_a_confirmed_agent_that_is_damaged_gives_way_to_the_one_of_the_device(tmp_path: Path) -> None:
    device = Renewed(tmp_path / "d")
    whole(device.folder, "one")
    device.install(1)
    device.acknowledged()
    device.run(60.0)
    device.state.close()
    assert AgentChoice(device.folder).choose() == "one"
    Environments(device.folder).discard("one")
    assert AgentChoice(device.folder).choose() == ""
    state = State.open(device.folder)
    state.close()
    assert (state.device_state.environment, state.device_state.counter) == ("", 1)


@pytest.mark.parametrize("name", ["../a-1-py3-none-any.whl", "setup.py", "a.whl", "x/a-1-py3-none-any.whl"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "p.edge", "w") as archive:
        archive.writestr(f"{FOLDER}{name}", b"")
    with pytest.raises(InputError, match="the file name of a wheel"):
        wheels_of(tmp_path / "p.edge")
