"""Every fault of the simulator: what must hold holds; and with a defence taken away, it does not."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Release
from edgewright.fleet.device.model_supervisor import TrialVerdict
from edgewright.fleet.protocol.plans.options import PlanOptions
from edgewright.fleet.server.database.engine import write_rows
from edgewright.fleet.server.database.tables import outcomes
from edgewright.fleet.simulator.disk import DiskSlots
from edgewright.fleet.simulator.fault import known_faults
from edgewright.fleet.simulator.faults import releases
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.result import HOUR, Result
from edgewright.fleet.simulator.simulation import simulate
from simulated_plan import plan

FAULTS = sorted(known_faults())
PAIRS = list(itertools.combinations(FAULTS, 2))
ENOUGH = 60
"""Devices with a canary so large that one that lies is not a fifth of it."""


def violated(result: Result) -> set[str]:
    return {one.name for one in result.verdicts if not one.holds}


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("fault", FAULTS)
def test_what_must_hold_under_a_fault_holds(fault: str) -> None:
    result = simulate(Settings(plan=plan(25.0), devices=ENOUGH if fault == "slander" else 40, fault=fault))
    assert not violated(result), [one for one in result.verdicts if not one.holds]


@pytest.mark.slow
def test_a_canary_of_one_per_cent_is_halted_within_two_poll_periods_and_taken_back() -> None:
    result = simulate(Settings(plan=plan(1.0), devices=1000, fault="bad-model", days=0.1))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert result.halted is not None
    assert result.exposed <= result.canary < 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["bad-model", "crash-loop"])
def test_a_bad_release_is_halted_in_the_first_stage_of_the_default_plan(fault: str) -> None:
    result = simulate(Settings(plan=PlanOptions(), devices=100, fault=fault))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert 0 < result.exposed == result.canary < 30


@pytest.mark.slow
def test_a_fault_that_shows_after_hours_reaches_the_first_stage_only() -> None:
    result = simulate(Settings(plan=PlanOptions(), devices=60, fault="dies-after-hours", wait=900.0))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert 0 < result.exposed == result.canary < 25


@pytest.mark.slow
def test_the_urgent_plan_misses_what_its_preview_says_that_it_misses() -> None:
    """Stages of two hours pass a fault that shows after three to five; the watch after the end takes it back."""
    urgent = PlanOptions(find_within=HOUR)
    result = simulate(Settings(plan=urgent, devices=60, fault="dies-after-hours", wait=900.0))
    assert result.exposed > result.canary
    assert result.halted is not None
    assert {row.within for row in result.detection} == {HOUR}


@pytest.mark.slow
def test_those_that_were_away_are_called_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "DAY", 3 * HOUR)  # a whole day: `test_what_must_hold_under_a_fault_holds`
    result = simulate(Settings(plan=plan(25.0), devices=40, fault="offline", days=0.6))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert any(point.away and point.versions.get(2) for point in result.timeline)
    assert result.timeline[-1].versions.get(2, 0) == 0
    assert result.timeline[-1].versions[3] == result.exposed


@pytest.mark.slow
def test_without_gates_the_rules_of_a_bad_release_are_violated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.fleet.server.rollouts.scheduler.judge_stage", lambda *args, **options: ())
    result = simulate(Settings(plan=plan(25.0), devices=60, fault="bad-model", days=0.2))
    assert {"halted", "exposed"} <= violated(result)
    assert not result.good


@pytest.mark.slow
def test_without_trials_and_gates_a_bad_release_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    well = TrialVerdict(over="confirmed", why="whatever it does")
    monkeypatch.setattr("edgewright.fleet.device.model_supervisor.judge", lambda *args: well)
    monkeypatch.setattr("edgewright.fleet.server.rollouts.scheduler.judge_stage", lambda *args, **options: ())
    result = simulate(Settings(plan=plan(25.0), devices=60, fault="bad-model", days=0.2))
    assert {"halted", "exposed", "all back"} <= violated(result)


@pytest.mark.slow
def test_without_the_hash_of_a_package_wrong_bytes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(slots: Any, slot: str, release: Release, floor: int) -> bool:  # noqa: ANN401
        disk = slots._disk
        disk.digests[slot] = "f" * 64
        disk.slots[slot] = release
        disk.parts.pop(slot, None)
        return True

    monkeypatch.setattr(DiskSlots, "finish", trusting)
    result = simulate(Settings(plan=plan(50.0), devices=16, fault="none", days=0.1))
    assert {"only signed releases", "no device is bricked"} <= violated(result)


@pytest.mark.slow
def test_without_the_nonce_clones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.fleet.server.reports.quarantine", lambda *args: None)
    monkeypatch.setattr("edgewright.fleet.server.reports._lost", lambda *args: True)
    monkeypatch.setattr("edgewright.fleet.server.rollouts.offered.shut_out", RuntimeError)
    result = simulate(Settings(plan=plan(50.0), devices=24, fault="clones", days=0.12))
    assert "clones are quarantined" in violated(result)


@pytest.mark.slow
def test_without_forgiveness_for_lost_answers_power_cuts_shut_honest_devices_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgewright.fleet.server.reports._lost", lambda *args: False)
    result = simulate(Settings(plan=plan(25.0), devices=60, fault="power-cuts", days=0.3))
    assert violated(result) >= {"no legitimate device is quarantined"}


@pytest.mark.slow
def test_records_that_were_acknowledged_and_not_written_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets(connection: sa.Connection, table: sa.Table, *rest: Any) -> None:  # noqa: ANN401 - as the real one
        if table is not outcomes:
            write_rows(connection, table, *rest)

    monkeypatch.setattr("edgewright.fleet.server.reports.write_rows", forgets)
    result = simulate(Settings(plan=plan(50.0), devices=16, fault="crash-loop", days=0.1))
    assert "no acknowledged data is lost" in violated(result)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("also", ["lossy", "power-cuts", "clock", "clones", "control-plane-down", "outage"])
@pytest.mark.parametrize("fault", ["none", "bad-model"])
def test_what_must_hold_under_two_faults_holds(fault: str, also: str) -> None:
    result = simulate(Settings(plan=plan(25.0), devices=40, fault=fault, also=((also, None),)))
    assert not violated(result), [one for one in result.verdicts if not one.holds]


@pytest.mark.slow
@pytest.mark.heavy
def test_a_fleet_that_returns_at_once_after_an_outage_is_drained() -> None:
    result = simulate(Settings(plan=plan(25.0), devices=400, fault="outage", also=(("clock", 0.1),)))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    waiting = [point.did["outage"] for point in result.timeline]
    assert max(waiting) > 25 * result.devices
    assert waiting[-1] < 5 * result.devices


@pytest.mark.slow
def test_the_plan_of_a_thief_goes_nowhere() -> None:
    result = simulate(Settings(plan=plan(50.0), devices=16, fault="stolen-online-key", days=0.25))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
    assert any("thief" in line.text for line in result.story)
    assert 0 < result.exposed <= result.canary


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize(("fault", "also"), PAIRS[:: 1 if os.environ.get("EDGEWRIGHT_PAIRS") == "all" else 16])
def test_every_rule_holds_over_pairs_of_faults(fault: str, also: str) -> None:
    """Simulate every sixteenth pair; EDGEWRIGHT_PAIRS=all takes all of them, which is an hour of a core."""
    # One false reporter is a quarter of a stage of four, and a stage of sixty devices may have nine, of whom two are
    # false: their limit is that of the default plan.
    false = {"slander", "false-figures"} & {fault, also}
    devices, chosen = ENOUGH if false else 12, plan(50.0, failed=0.3 if false else 0.2)
    result = simulate(Settings(plan=chosen, devices=devices, fault=fault, also=((also, None),), seed=3))
    assert not violated(result), [one for one in result.verdicts if not one.holds]
