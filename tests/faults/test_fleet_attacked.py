"""Attacks on a simulated fleet, each over several seeds: what a rollout does, and what it does without a defence."""

from __future__ import annotations

from typing import Any

import pytest

from edgewright.core.records.fleet import Plan
from edgewright.fleet.simulator import simulation
from edgewright.fleet.simulator.fault import ALWAYS
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.result import Result, plan_for
from edgewright.fleet.simulator.simulation import simulate
from simulated_plan import plan

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

SEEDS = range(3)
CANARY = 0.18  # days: the canary and the beginning of the stage after it
OLD, NEW, BACK = 1, 2, 3  # releases


def attacked(fault: str, seed: int, rate: float | None = None, **more: Any) -> Result:  # noqa: ANN401 - of `Settings`
    settings: dict[str, Any] = {"devices": 40, "days": CANARY, "plan": plan(25.0)} | more
    return simulate(Settings(fault=fault, seed=seed, rate=rate, **settings))


def violated(result: Result) -> set[str]:
    return {one.name for one in result.verdicts if not one.holds}


def taken_back(result: Result) -> None:
    """Halted in the canary, and who ran it runs the old bytes again, in the timeline too."""
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert result.halted is not None
    assert 0 < result.exposed <= result.canary < result.devices
    last = result.timeline[-1].versions
    assert NEW not in last
    assert last.get(BACK, 0) <= result.exposed


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_liars_never_push_a_bad_release(rate: float) -> None:
    for seed in SEEDS:
        taken_back(attacked("liars", seed, rate))


@pytest.mark.parametrize("fault", ["slander", "false-figures"])
def test_one_in_twenty_that_speaks_ill_or_nonsense_does_not_stop_a_good_release(fault: str) -> None:
    for seed in SEEDS[:2]:
        result = attacked(fault, seed, 0.05, devices=60)
        assert violated(result) <= {"all devices update"}  # the last stage has not begun
        assert result.timeline[-1].versions[NEW] > 5
        assert result.timeline[-1].did[fault] > 0


@pytest.mark.parametrize(("fault", "rate"), [("slander", 0.8), ("false-figures", 0.4)])
def test_many_that_speak_ill_can_stop_a_release_and_do_no_harm(fault: str, rate: float) -> None:
    stopped = 0
    for seed in SEEDS:
        result = attacked(fault, seed, rate)
        assert not violated(result) & set(ALWAYS)
        stopped += result.halted is not None
        if result.halted is not None:
            assert NEW not in result.timeline[-1].versions
    assert stopped == len(SEEDS) or rate < 0.5


@pytest.mark.parametrize("fault", ["dead-silent", "dies-later"])
def test_a_release_that_kills_without_a_word_is_called_back(fault: str) -> None:
    for seed in SEEDS:
        taken_back(attacked(fault, seed, days=0.45, devices=24))


def test_ids_that_are_ground_for_the_canary_have_no_vote() -> None:
    for seed in SEEDS[:2]:
        result = attacked("grinders", seed)
        assert result.timeline[-1].did["grinders"] >= 5
        assert violated(result) <= {"all devices update"}
    for seed in SEEDS:
        taken_back(attacked("grinders", seed, also=(("bad-model", None),)))


def test_with_votes_for_whoever_comes_late_ground_ids_stop_a_good_release(monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    def anybody(*args: Any) -> Plan:  # noqa: ANN401
        planned = plan_for(*args)
        return msgspec.structs.replace(planned, enrolled=planned.expires)

    monkeypatch.setattr(simulation, "plan_for", anybody)
    assert "a good release continues" in violated(attacked("grinders", 0))


def test_copies_of_devices_are_shut_out_and_nobody_else() -> None:
    for seed in SEEDS[:2]:
        result = attacked("clones", seed, 0.1)
        assert violated(result) <= {"all devices update"}
        assert result.timeline[-1].did["clones"] == 2 * 4  # originals and copies


def test_a_control_plane_that_dies_at_a_tenth_leaves_everybody_where_they_are() -> None:
    for seed in SEEDS:
        result = attacked("control-plane-dead", seed, devices=60)
        assert not violated(result), [one for one in result.verdicts if not one.holds]
        assert result.exposed == 6
        assert result.timeline[-1].versions == {OLD: 54, NEW: 6}
        assert result.timeline[-1].trial == 0
        assert result.timeline[-1].did["control-plane-dead"] > 100


def test_clocks_of_1970_or_400_days_off_keep_nobody_behind_once_they_are_right() -> None:
    result = attacked("clock-corrected", 0, 0.5, days=0.4, devices=24)
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    wrong = [point.did["clock-corrected"] for point in result.timeline]
    assert max(wrong) > 6
    assert wrong[-1] == 0
    assert result.timeline[-1].versions == {NEW: 24}
    for seed in SEEDS:
        taken_back(attacked("bad-model", seed, also=(("clock-corrected", 0.5),)))


def test_one_seed_tells_the_same_story_in_another_process() -> None:
    """Byte for byte, whatever the hashes of strings are there."""
    import subprocess
    import sys

    requested = ["fleet", "simulate", "100", "--days", "0.25", "--break", "liars", "--break", "lossy=0.1", "--json"]
    reported = [
        subprocess.run(
            [sys.executable, "-c", "from edgewright.cli.main import main; main()", *requested],
            capture_output=True, check=True, timeout=600, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert reported[0] == reported[1]
    assert b'"fault": "liars + lossy"' in reported[0]
