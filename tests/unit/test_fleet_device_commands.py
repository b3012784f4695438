"""`device status` and `device trust-root` of a device that follows a fleet; what the model's process is told."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.faults.fleet_device import Device, plan

from edgewright.cli.commands.device._fleet import under_the_agent
from edgewright.cli.main import run
from edgewright.device.agent.process_status import Latency, VitalsReporter
from edgewright.device.agent.settings import read_settings
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.runner import RunnerOptions, follow
from edgewright.fleet.device.store_lock import LOCK_FILE, locked
from edgewright.schema.device import Event
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Vitals
from signed_fleet import SignedFleet
from store_example import opened


def test_status_tells_of_the_trial_and_of_what_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    opened(tmp_path).close()
    device = Device(tmp_path)
    device.follow(plan(1, trial=TrialLimits(seconds=1000.0, crashes=0)), 10.0)
    device.process.crash()
    device.run(10.0)
    device.follow(plan(2, trial=TrialLimits(seconds=1000.0)), 100.0)
    assert run(["device", "status", "--store", str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert "fleet: pump, release 2 in slot b, floor 0, trial" in out
    assert "of 1000 s with rows, 0 of 2 crashes, 0 of 10 cut off" in out
    assert "failed here: release 1" in out
    assert "not reported yet: release 1 reverted (crash: exited 1 times, 0 allowed)" in out
    assert run(["device", "status", "--store", str(tmp_path), "--json"]) == 0
    record = json.loads(capfd.readouterr().out)["fleet"]
    assert (record["active"], record["counter"], record["burned"], record["phase"]) == ("b", 2, [1], "trial")


def test_another_root_is_trusted_and_floors_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    device = Device(tmp_path / "store")
    device.follow(plan(1), 300.0)
    device.state.close()
    root = tmp_path / "root.json"
    root.write_bytes(SignedFleet().files["/metadata/1.root.json"])
    command = ["device", "trust-root", str(root), "--store", str(tmp_path / "store")]
    assert run(command) == 0
    assert "root 1 is trusted, SHA-256" in capfd.readouterr().out
    assert run([*command, "--stick"]) == 0
    for name in ("trust", "trust-stick"):
        assert (tmp_path / "store" / name / "pinned.root.json").read_bytes() == root.read_bytes()
    device.start()
    assert device.state.device_state.floor == 1
    root.write_text("{}")
    assert run(command) == 2
    assert "a root signed by its own keys" in capfd.readouterr().err
    assert run(["device", "trust-root", str(root), "--store", str(tmp_path / "none")]) == 2
    with locked(tmp_path / "store"):
        assert run(command) == 2
    assert "in use" in capfd.readouterr().err


def test_a_store_has_one_agent(tmp_path: Path) -> None:
    options = RunnerOptions(url="http://127.0.0.1:9", token="", store=tmp_path, package=None, arguments=())
    with locked(tmp_path), pytest.raises(InputError, match="in use"):
        follow(options, lambda: True, print, print)
    assert (tmp_path / LOCK_FILE).exists()


def test_under_the_agent_no_older_package_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_settings(None)
    assert under_the_agent(plain) is plain
    monkeypatch.setenv("EDGEWRIGHT_DOOR", "/run/door")
    changed = under_the_agent(plain)
    assert plain.settings.agent.keep_old
    assert not changed.settings.agent.keep_old
    assert [way.kind for way in changed.ways] == ["agent"]


def test_vitals_are_said_over_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(tmp_path / "n"))
        pulse = VitalsReporter(Supervisor(str(tmp_path / "n"), ""), (), every=2.0)
        latency = Latency()
        latency.add(0.01, 100)
        pulse.events(
            [Event(kind="alarm", label="x"), Event(kind="drift", label="level"), Event(kind="drift", label="level")]
        )
        notifications.setblocking(False)
        records = []
        before = time.process_time()
        for second in range(1, 30):
            pulse.beat(float(second), second < 10, second, latency)
            sum(range(200_000 if second == 5 else 0))
            with suppress(BlockingIOError):
                records.append(notifications.recv(65536))
        # Nobody listens any more: nothing waits for that.
        for second in range(30, 131):
            pulse.beat(float(second), False, second, latency)
    assert 14 <= len(records) <= 16
    assert records[-1].startswith(b"X_VITALS=")
    document = msgspec.json.decode(records[-1].removeprefix(b"X_VITALS="), type=Vitals)
    assert (document.windows, document.alarms, document.drifting) == (29, 1, ("level",))
    assert document.latency == pytest.approx((0.01, 0.01), rel=0.15)
    # Rows came for nine seconds, and ten more without one still count.
    assert 15.0 <= document.seconds <= 20.0
    assert np.isfinite(document.memory)
    assert 0.0 < document.processor <= time.process_time() - before


def test_where_nobody_asks_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_VITALS", raising=False)
    pulse = VitalsReporter(Supervisor("", ""), ())
    pulse.events([Event(kind="alarm", label="x")])
    pulse.beat(1.0, True, 1, Latency())
    assert not pulse._kinds
