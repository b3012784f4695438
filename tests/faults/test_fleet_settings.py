"""Settings of a release on a real device: they run, are refused, are taken back with the model, through kills too."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_example import package
from board_fleet import ServedFleet
from edgewright.fleet.device.state_database import DeviceState, State
from fleet_servers import until
from settings_example import release_settings

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
CUTS = 12


class Fleet(ServedFleet):
    """One device with a device.toml of its own, whose rules say which settings run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--report-every", "5")
        (folder / "device.toml").write_text("[agent]\nslow = 9.0\n")
        self.names: dict[str, str] = {}  # of releases, by the start of their SHA-256
        self.plan = ""

    def start_agent(self, *more: str) -> None:
        self.start(*more, "--config", "device.toml")

    def publish(self, name: str, trial: str, **settings: Any) -> str:  # noqa: ANN401 - of `release_settings`
        package(self.folder / f"{name}.edge", provenance={"seed": name})
        path = release_settings(self.folder / name, **settings)
        published = self.run("fleet", "publish", f"{name}.edge", "--fleet", "fleet", "--settings", str(path), "--json")
        self.names[json.loads(published)["releases"][0]["release"]["sha256"][:16]] = name
        # The device knows before the control plane how a release ends, and two rollouts at a time are refused.
        self.wait(lambda: not self.plan or not self.runs())
        self.plan = self.begin(trial)
        return self.plan

    def runs(self) -> bool:
        """Whether the newest rollout still runs."""
        status = self.run("fleet", "rollout", "status", self.plan, "--fleet", "fleet", "--json")
        return "'state': 'running'" in str(json.loads(status))

    def state(self) -> DeviceState:
        state = State.open(self.folder / "dev", writable=False)
        state.close()
        return state.device_state

    def outcome(self) -> dict[str, Any]:
        history = json.loads(self.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json"))["history"]
        newest: dict[str, Any] = (history["outcomes"] or [{}])[0]
        return newest

    def wait(self, true: Callable[[], object]) -> None:
        until(true, self.said)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with closing(Fleet(tmp_path)) as fleet:
        yield fleet


def test_settings_run_with_their_release_and_go_back_with_it(fleet: Fleet) -> None:
    fleet.start_agent("r0.edge", "--token", fleet.token, "--name", "pump-1")
    fleet.publish("one", "seconds = 3.0", action='event = "first"')
    fleet.wait(lambda: "release 1, idle: confirmed" in fleet.said())
    fleet.wait(lambda: "state    first" in fleet.said())

    # A program that this device does not allow: refused before it runs, and named to the fleet.
    fleet.publish("two", "seconds = 3.0", action='command = "stop"')
    fleet.wait(lambda: "edgewright: no command 'stop'" in fleet.said())  # in the log of the device alone
    assert (fleet.state().counter, fleet.state().burned) == (1, (2,))
    fleet.wait(lambda: fleet.outcome().get("counter") == 2)
    outcome = fleet.outcome()
    assert (outcome["what"], outcome["because"]) == ("refused", "start")
    assert outcome["detail"] == "UnknownNameError:device.agent.plan._rule"

    # On trial its rules run; with the abort those of before are back.
    plan = fleet.publish("three", "seconds = 6000.0", action='event = "third"')
    fleet.wait(lambda: "state    third" in fleet.said())
    fleet.run("fleet", "rollout", "abort", "--fleet", "fleet", plan)
    fleet.wait(lambda: fleet.state().counter == 1 and fleet.state().trial is None)
    seen = fleet.said().count("state    first")
    fleet.wait(lambda: fleet.said().count("state    first") > seen)


def test_a_secret_stays_on_its_device(fleet: Fleet) -> None:
    fleet.start_agent("r0.edge", "--token", fleet.token, "--name", "pump-1")
    sink = '[[sink]]\nkind = "http"\nurl = "https://127.0.0.1:9/items"\ntoken_file = "secret:gateway"\n'
    fleet.publish("one", "seconds = 3.0", more=sink)
    fleet.wait(lambda: fleet.outcome().get("because") == "start")
    assert fleet.outcome()["detail"] == "SecretError:device.agent.secrets.secret_file:ENOENT"
    assert fleet.state().counter == 0

    secret, value = fleet.folder / "secrets" / "gateway", "c4f3babe-c4f3"
    secret.parent.mkdir()
    secret.write_text(value)
    secret.chmod(0o600)
    fleet.publish("two", "seconds = 3.0", more=sink)  # the first rollout was halted
    fleet.wait(lambda: "idle: confirmed" in fleet.said())
    files = [path for path in fleet.folder.rglob("*") if path.is_file() and path != secret]
    assert [path for path in files if value.encode() in path.read_bytes()] == []


def test_a_kill_at_any_moment_leaves_a_model_with_its_settings(fleet: Fleet) -> None:
    chance = random.Random(53)  # noqa: S311 - moments of a test

    def publish(name: str, trial: str) -> str:
        return fleet.publish(name, f"{trial}\nboots = 100\ncrashes = 100", action=f'event = "{name}"')

    def cut() -> None:
        for _ in range(CUTS // 4):
            assert fleet.device is not None
            time.sleep(chance.uniform(0.2, 5.0))
            fleet.device.send_signal(signal.SIGKILL)
            fleet.device.wait()
            fleet.start_agent()

    def runs(name: str) -> None:
        seen = fleet.said().count(f"state    {name}")
        fleet.wait(lambda: fleet.said().count(f"state    {name}") > seen)

    fleet.start_agent("r0.edge", "--token", fleet.token, "--name", "pump-1")
    publish("first", "seconds = 2.0")
    cut()
    fleet.wait(lambda: fleet.state().floor == 1)
    runs("first")

    plan = publish("second", "seconds = 6000.0")
    cut()
    runs("second")
    fleet.run("fleet", "rollout", "abort", "--fleet", "fleet", plan)
    cut()
    fleet.wait(lambda: fleet.state().counter == 1 and fleet.state().trial is None)
    runs("first")

    publish("third", "seconds = 2.0")
    cut()
    fleet.wait(lambda: fleet.state().floor == fleet.state().counter > 2)
    runs("third")

    # Whatever was killed when: each step of a rule is of the settings in the package that had started.
    printed = fleet.run("device", "query", "--store", "dev", "--json", "--limit", "1000000").splitlines()
    stored = sorted(map(json.loads, printed), key=lambda item: (item["boot"], item["sequence"]))
    running, steps = "", []
    for event in (item["event"] for item in stored):
        if event["label"] == "start":
            (running,) = event["detail"]["sha256"]
        elif event["kind"] == "state" and event["label"] in fleet.names.values():
            steps.append((event["label"], fleet.names.get(running)))
    assert [step for step in steps if step[0] != step[1]] == []
    assert {label for label, _ in steps} == set(fleet.names.values())
