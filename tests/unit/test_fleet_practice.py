"""`edgewright fleet practice`: simulated devices follow a rollout, and a bad release is halted."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from cli_runner import Cli
from edgewright.core.errors import InputError
from edgewright.fleet.protocol.plans.gates import reason
from edgewright.fleet.protocol.rollout_records import RolloutSeen
from edgewright.fleet.repository.key_rotation import publish
from edgewright.fleet.simulator.practice import (
    create_practice,
    practice_settings,
    practise,
    write_settings,
)
from fleet_folder import package
from watched_fleet import asked_of

pytestmark = pytest.mark.slow


def test_simulated_devices_follow_a_rollout_and_a_bad_one_is_halted(tmp_path: Path, cli: Cli) -> None:
    folder, ended = tmp_path / "fleet", Event()
    create_practice(folder, "practice", "main", 12)
    settings = practice_settings(folder)
    assert settings is not None
    with pytest.raises(InputError, match="a fault to practise with"):
        write_settings(folder, msgspec.structs.replace(settings, faults={"2": "fire"}))
    write_settings(folder, msgspec.structs.replace(settings, faults={"2": "slow-model"}))
    started = Event()
    thread = Thread(target=lambda: practise(folder, lambda number: started.set(), ended))
    thread.start()
    try:
        assert started.wait(60.0)
        (tmp_path / "runs").mkdir()
        release = publish(folder, package(tmp_path / "runs"))
        plan = tmp_path / "plan.toml"
        plan.write_text("silence = 12\nwatch = 300\n[trial]\nseconds = 5.0\nlatency = 0.5\npatience = 60.0\n")
        stages = "canary:20%,half:50%,all:100%"
        cli(
            "fleet",
            "rollout",
            "start",
            "--fleet",
            folder,
            "--plan",
            plan,
            "--stages",
            stages,
            "--dwell",
            "15s",
            "--id",
            "slow",
        )
        assert release.counter == 2
        until = time.monotonic() + 120.0
        while (halted := asked_of(folder, RolloutSeen, "GET", "/v1/fleet/rollouts/slow")).under_way:
            assert time.monotonic() < until, halted
            time.sleep(0.5)
        assert (halted.state, halted.revert) == ("aborted", True)
        assert reason(halted).startswith("Halted in stage '")
        assert halted.history
    finally:
        ended.set()
        thread.join(60.0)
    assert not thread.is_alive()


def test_a_folder_without_a_practice_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="edgewright fleet practice DIR --new 60"):
        practise(tmp_path, lambda number: None, Event())
