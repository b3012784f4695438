"""The agent itself is updated: wheels made of this repository, installed beside the old agent, and taken back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_example import package
from board_fleet import COMMAND, ServedFleet
from edgewright.fleet.device.state_database import State
from faulty_agent import wheel
from fleet_servers import until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

# As systemd restarts it.
RESTARTED = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
while True:
    child = subprocess.Popen(sys.argv[1:])
    try:
        child.wait()
    finally:
        child.terminate()
        child.wait()
    time.sleep(0.2)
"""
# It imports and answers test vectors, and then fails in its first step.
BROKEN = "\ndef follow(*_):\n    raise SystemExit('edgewright: this agent is broken')\n"


class Fleet(ServedFleet):
    """One device whose agent is started again whenever it ends."""

    def supervise(self, *more: str) -> None:
        command = [COMMAND, "device", "run", *more, "--fleet", self.url, "--store", "dev", "--source", "csv:rows.csv"]
        with (self.folder / "said").open("ab") as log:
            self.device = subprocess.Popen(
                [sys.executable, "-c", RESTARTED, *command, "--poll", "1"], cwd=self.folder, stdout=log, stderr=log
            )

    def publish(self, name: str, wheels: Path, trial: str) -> str:
        package(self.folder / name, provenance={"seed": name})
        self.run("fleet", "publish", name, "--fleet", "fleet", "--agent-wheels", str(wheels))
        return self.begin(trial)

    def seen(self) -> dict[str, object]:
        document = json.loads(self.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json"))
        device: dict[str, object] = document["history"]["device"]
        return device

    def wait(self, true: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.said()
            time.sleep(0.5)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, "--report-every", "5")
    try:
        yield fleet
    finally:
        fleet.close()


def test_an_agent_updates_itself_and_goes_back_from_one_that_does_not_start(fleet: Fleet) -> None:
    good = wheel(fleet.folder, "0.1.1")
    broken = wheel(fleet.folder, "0.1.2", "runner.py", BROKEN)
    fleet.supervise("r0.edge", "--token", fleet.token, "--name", "pump-1")
    until(lambda: "release 0, idle: no rollout" in fleet.said(), fleet.said)
    plan = fleet.publish("good.edge", good, "seconds = 4.0")
    fleet.wait(lambda: "release 1, idle: confirmed" in fleet.said(), 300.0)
    fleet.wait(lambda: (fleet.seen()["version"], fleet.seen()["counter"]) == ("0.1.1", 1), 120.0)

    fleet.run("fleet", "rollout", "abort", "--fleet", "fleet", plan)
    fleet.publish("broken.edge", broken, "seconds = 4.0")
    fleet.wait(lambda: fleet.said().count("edgewright: this agent is broken") == 3, 300.0)
    fleet.wait(lambda: "release 1, idle: release 2 failed here before" in fleet.said(), 120.0)
    state = State.open(fleet.folder / "dev", writable=False)
    device_state = state.device_state
    state.close()
    assert (device_state.counter, device_state.floor, device_state.trial, device_state.burned) == (1, 1, None, (2,))
    fleet.wait(lambda: fleet.seen()["version"] == "0.1.1", 60.0)
    outcomes = json.loads(fleet.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json"))["history"]["outcomes"]
    assert next((one["counter"], one["what"], one["because"]) for one in outcomes) == (2, "reverted", "start")
