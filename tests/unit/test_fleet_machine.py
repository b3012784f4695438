"""The agent's state machine: every way through it, and what it says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks.faults.fleet_device import BORN, DEVICE, Device, plan

from edgewright.core.errors import DeviceSettingsError, InputError
from edgewright.core.records.fleet import Acknowledged, Allowed, Stage, TrialLimits, Window
from edgewright.fleet.device import ports
from edgewright.fleet.protocol.plans.decision import Verdict, position


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "store")


def gone_back(device: Device) -> str:
    """Return why release 1 is not kept; what came with the device runs."""
    assert device.active() == 0
    action, counter, because = device.told()[-1]
    assert (action, counter) == ("reverted", 1)
    return because


def test_it_runs_what_came_with_it_without_a_network(device: Device) -> None:
    device.fleet.online = False
    device.run(500.0)
    assert device.process.starts == ["a"]
    assert device.active() == 0
    assert device.agent.phase == "idle"
    assert "no news: no network" in device.agent.why


def test_a_release_is_fetched_tested_activated_and_confirmed(device: Device) -> None:
    device.follow(plan(1), 30.0)
    assert device.state.device_state.trial is not None
    assert device.process.starts == ["a", "b"]
    assert device.process.tests == ["b"]
    assert device.active() == 1
    assert device.state.device_state.floor == 0
    device.run(150.0)
    assert device.agent.phase == "idle"
    assert device.state.device_state.floor == 1
    assert (device.slots.floor("a"), device.slots.floor("b")) == (1, 1)
    assert device.told() == [("tested", 1, ""), ("activated", 1, ""), ("confirmed", 1, "")]
    assert "release 1 is active" in device.agent.why
    reports = device.listener.heard
    assert [facts.phase for facts, urgent in reports if urgent][-1] == "idle"
    assert {facts.phase for facts, _ in reports} == {"trial", "idle"}


def test_the_next_one_takes_the_other_slot(device: Device) -> None:
    for counter in (1, 3, 5):
        device.follow(plan(counter), 400.0)
        assert device.active() == counter
        assert device.state.device_state.floor == counter
    assert device.process.starts == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("limits", "vitals", "because"),
    [
        ({"latency": 0.1}, {"windows": 200, "latency": (0.05, 0.2)}, "latency"),
        ({"memory": 1000}, {"memory": 1001}, "memory"),
        ({"unsure": 0.2}, {"windows": 200, "unsure": 100}, "unsure"),
        ({"drift": 0.3}, {"channels": 3, "drifting": ("x",)}, "drift"),
        ({"alarms": 10.0}, {"seconds": 50.0, "alarms": 20}, "alarms"),
        ({"anomalies": 10.0}, {"seconds": 50.0, "anomalies": 20}, "anomalies"),
    ],
)
def test_it_goes_back_where_the_trial_finds_more_than_allowed(
    device: Device, limits: dict[str, float], vitals: dict[str, object], because: str
) -> None:
    device.fleet.publish(plan(1, trial=TrialLimits(seconds=100.0, **limits)))  # type: ignore[arg-type]
    device.run(10.0)
    assert device.agent.phase == "trial"
    device.process.now = msgspec.convert(vitals, type=type(device.process.now))
    device.run(5.0, rows=False)
    assert device.active() == 0
    assert device.process.starts == ["a", "b", "a"]
    assert device.state.device_state.burned == (1,)
    assert device.told()[-1] == ("reverted", 1, because)
    device.run(500.0)
    assert device.active() == 0
    assert "release 1 failed here before" in device.agent.why


def test_a_crash_loop_ends_the_trial_and_the_old_one_runs_again(device: Device) -> None:
    device.follow(plan(1), 10.0)
    for _ in range(2):
        device.process.crash()
        device.run(10.0)
        assert device.active() == 1
    device.process.crash()
    device.run(10.0)
    assert gone_back(device) == "crash"
    assert device.process.starts == ["a", "b", "b", "b", "a"]


def test_a_package_that_cannot_be_started_goes_back(device: Device) -> None:
    device.follow(plan(1), 4.0)
    device.agent.step()
    device.process.refuses = InputError("a package", "nonsense")
    device.process.crash()
    device.run(3.0)
    device.process.refuses = InputError("a package", "nonsense")
    device.run(8.0)
    device.process.refuses = None
    device.run(20.0)
    assert gone_back(device) == "crash"


def test_a_process_that_ran_out_of_memory_goes_back_at_once(device: Device) -> None:
    device.follow(plan(1), 10.0)
    device.process.crash("out of memory: killed by the system")
    device.run(5.0)
    assert gone_back(device) == "memory"


def test_power_losses_are_counted_apart_from_crashes(device: Device) -> None:
    device.follow(plan(1, trial=TrialLimits(seconds=1000.0, crashes=0, boots=3)), 10.0)
    for _ in range(3):
        device.cut()
        device.run(5.0)
        assert device.active() == 1
    device.cut()
    device.run(5.0)
    assert gone_back(device) == "boots"


def test_a_start_after_a_power_loss_counts_as_a_crash_of_the_release(device: Device) -> None:
    """What a device that its watchdog restarts again and again reports, long after the trial."""
    device.follow(plan(1, trial=TrialLimits(seconds=10.0)), 60.0)
    assert device.told()[-1] == ("confirmed", 1, "")

    def crashes() -> int:
        device.run(5.0)
        vitals = device.agent.supervisor.vitals()
        assert vitals is not None
        return vitals.crashes

    assert crashes() == 0
    device.cut()
    assert crashes() == 1
    device.restart()
    assert crashes() == 0
    device.cut()
    device.follow(plan(2, trial=TrialLimits(seconds=10.0)), 60.0)
    assert device.told()[-1] == ("confirmed", 2, "")
    assert crashes() == 0  # the power loss was not in the time of this release


def test_an_orderly_restart_in_a_trial_counts_as_neither_and_time_goes_on(device: Device) -> None:
    device.follow(plan(1, trial=TrialLimits(seconds=100.0, crashes=0, boots=1)), 60.0)
    for _ in range(4):
        device.restart()
        device.run(5.0)
    trial = device.state.device_state.trial
    assert trial is not None
    assert (trial.crashes, trial.boots) == (0, 0)
    device.run(40.0)
    assert device.told()[-1] == ("confirmed", 1, "")


def test_a_trial_without_rows_goes_back_when_patience_ends(device: Device) -> None:
    device.follow(plan(1), 10.0)
    device.run(900.0, rows=False)
    assert device.agent.phase == "trial"
    device.run(200.0, rows=False)
    assert gone_back(device) == "patience"


def test_test_vectors_that_fail_burn_the_counter(device: Device) -> None:
    device.process.tested = ports.Tested(ok=False, because="vectors", detail="answers differ by 0.3")
    device.follow(plan(1), 300.0)
    assert device.process.tests == ["b"]
    assert device.process.starts == ["a"]
    assert device.told() == [("refused", 1, "vectors")]
    assert device.state.device_state.burned == (1,)


def test_an_abort_takes_back_a_device_on_trial(device: Device) -> None:
    device.follow(plan(1, trial=TrialLimits(seconds=1e6)), 10.0)
    device.fleet.stand("plan-1", "aborted", revert=True)
    device.run(120.0)
    assert gone_back(device) == "aborted"
    device.fleet.stand("plan-1", "running")
    device.run(300.0)
    assert device.active() == 0


def test_an_abort_calls_a_confirmed_device_back_without_a_download(device: Device) -> None:
    device.follow(plan(1), 200.0)
    device.follow(plan(2, old=1), 200.0)
    assert device.state.device_state.floor == 2
    reads = len(device.fleet.reads)
    device.fleet.stand("plan-2", "aborted", revert=True)
    device.fleet.fresh = False
    device.run(200.0)
    assert device.active() == 3
    assert device.state.device_state.floor == 3
    assert device.state.device_state.trial is None
    assert len(device.fleet.reads) == reads
    assert device.told()[-2:] == [("activated", 3, ""), ("confirmed", 3, "aborted")]


def test_a_device_that_slept_through_the_abort_goes_back_too(device: Device) -> None:
    device.follow(plan(1), 200.0)
    device.follow(plan(2, old=1), 200.0)
    device.fleet.online = False
    device.fleet.stand("plan-2", "aborted", revert=True)
    device.run(5000.0)
    assert device.active() == 2
    device.fleet.publish(plan(4, stages=(Stage(name="canary", percent=0.0),)))
    device.fleet.online = True
    device.run(8000.0, max_step_s=100.0)
    assert device.active() == 3


def test_an_older_release_and_a_burned_one_are_never_taken(device: Device) -> None:
    device.follow(plan(5), 200.0)
    device.follow(plan(3), 300.0)
    assert device.active() == 5
    assert device.process.tests == ["b"]


@pytest.mark.parametrize("counter", [3, 7])
def test_no_decision_activates_what_is_below_the_floor_or_failed_before(device: Device, counter: int) -> None:
    device.follow(plan(5), 200.0)
    device.state.change(burned=(7,))
    later = plan(counter)
    device.agent._activator.activate(later.release, later, Verdict(target=later.release, go=True, why="as decided"))
    assert device.active() == 5
    assert device.state.device_state.trial is None


def test_a_stale_word_begins_nothing(device: Device) -> None:
    device.fleet.fresh = False
    device.follow(plan(1), 300.0)
    assert device.active() == 0
    assert device.agent.phase == "ready"
    assert "expired" in device.agent.why


def test_outside_of_its_window_a_release_waits_fetched(device: Device) -> None:
    minute = int(BORN % 86_400 // 60)
    windows = (Window(start=(minute + 60) % 1440, end=(minute + 120) % 1440),)
    device.follow(plan(1, windows=windows), 1800.0, max_step_s=100.0)
    assert (device.active(), device.agent.phase) == (0, "ready")
    assert "outside of maintenance" in device.agent.why
    device.run(2400.0, max_step_s=100.0)
    assert device.active() == 1


def test_a_gated_stage_asks_for_leave_and_keeps_the_nonce(device: Device) -> None:
    device.fleet.leave = Allowed(nonce="n7", go=False, why="3 of 10 are on trial", wait=50.0)
    device.follow(plan(1, gated=True), 20.0)
    assert (device.active(), device.agent.phase) == (0, "intent")
    assert "3 of 10 are on trial" in device.agent.why
    assert device.state.link.nonce == "n7"
    assert [(i.nonce, i.plan, i.counter, i.stage) for i in device.fleet.intents] == [("n1", "plan-1", 1, 0)]
    device.fleet.leave = Allowed(nonce="n8", go=True)
    device.run(60.0)
    assert device.active() == 1
    assert len(device.fleet.intents) == 2


def test_without_leave_a_gated_stage_begins_nothing(device: Device) -> None:
    device.fleet.publish(plan(1, gated=True))
    device.fleet.leave = Allowed(nonce="n2", go=False)
    device.run(50.0)
    device.fleet.online = False
    device.run(5000.0, max_step_s=100.0)
    assert device.active() == 0
    assert device.agent.phase == "intent"


def test_a_wait_for_leave_is_for_its_release_alone_and_ends_with_the_leave(device: Device) -> None:
    device.fleet.leave = Allowed(nonce="n2", go=False, wait=50_000.0)
    device.follow(plan(1, gated=True), 100.0)
    assert device.agent.phase == "intent"
    assert len(device.fleet.intents) == 1
    device.fleet.leave = Allowed(nonce="n3", go=True)
    device.agent._activator.pace._every = 50_000.0
    for counter in (2, 3):
        device.follow(plan(counter, gated=True), 400.0)
        assert device.active() == counter
    assert len(device.fleet.intents) == 3


def test_a_place_beyond_the_stage_begins_nothing(device: Device) -> None:
    planned = plan(1, stages=(Stage(name="canary", percent=1.0, gated=False), Stage(name="all", percent=100.0)))
    assert position(planned.salt, planned.id, DEVICE) > 1.0
    device.fleet.publish(planned)
    device.run(300.0)
    assert device.active() == 0
    assert device.fleet.reads == []
    assert "beyond the 1 %" in device.agent.why


def test_a_download_goes_on_where_it_broke_off_also_after_a_power_cut(device: Device) -> None:
    device.fleet.broken_after = 2000
    device.follow(plan(1), 2.0)
    device.cut()
    device.fleet.broken_after = None
    device.run(200.0)
    assert device.active() == 1
    assert device.fleet.reads == [0, 2000]


def test_bytes_that_were_not_signed_are_thrown_away_and_fetched_again(device: Device) -> None:
    device.fleet.publish(plan(1))
    right = device.fleet.bytes["packages/pump-1.edge"]
    device.fleet.bytes["packages/pump-1.edge"] = b"x" * len(right)
    device.run(60.0)
    assert device.active() == 0
    assert device.process.tests == []
    assert device.told() == []  # no verdict on the release
    facts = device.agent.facts()
    assert facts.phase == "download"
    assert facts.transport_faults >= 3
    assert "differ from the signed ones" in facts.transport_fault
    device.fleet.bytes["packages/pump-1.edge"] = right
    device.run(300.0)
    assert device.active() == 1
    assert device.agent.facts().transport_faults == 0


def test_wrong_bytes_are_asked_again_less_and_less_often(device: Device) -> None:
    device.fleet.publish(plan(1))
    target = "packages/pump-1.edge"
    device.fleet.bytes[target] = b"x" * len(device.fleet.bytes[target])
    device.run(6 * 3600.0)
    assert device.told() == []
    assert 5 < device.fleet.reads.count(0) < 30


def test_a_package_that_changes_on_the_disk_before_its_test_is_downloaded_again(device: Device) -> None:
    test = device.process.test

    def damages(slot: str, limits: TrialLimits) -> ports.Tested:
        device.process.test = test  # type: ignore[method-assign]
        path = device.slots.path(slot)
        path.write_bytes(b"?" + path.read_bytes()[1:])
        return ports.Tested(ok=False, because="vectors", detail="unreadable")

    device.process.test = damages  # type: ignore[method-assign]
    device.follow(plan(1), 300.0)
    assert [action for action, _, _ in device.told()] == ["tested", "activated", "confirmed"]
    assert device.fleet.reads == [0, 0]


def test_a_release_that_the_metadata_does_not_name_is_not_fetched(device: Device) -> None:
    device.fleet.unsigned.add(1)
    device.follow(plan(1), 300.0)
    assert device.fleet.reads == []
    assert "release 1 is refused" in device.agent.why


def test_rest_of_another_download_is_not_mixed_in(device: Device) -> None:
    device.fleet.broken_after = 1000
    device.follow(plan(1), 1.0)
    device.fleet.broken_after = None
    device.follow(plan(2), 200.0)
    assert device.active() == 2


def test_a_damaged_active_package_is_fetched_again(device: Device) -> None:
    device.follow(plan(1), 200.0)
    path = device.slots.path("b")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    device.restart()
    assert "damaged" in device.agent.why
    device.run(300.0)
    assert device.active() == 1
    assert device.state.device_state.floor == 1


def test_a_lost_state_finds_the_floor_in_the_slots_and_the_confirmed_package(device: Device) -> None:
    device.follow(plan(4), 200.0)
    device.follow(plan(6, trial=TrialLimits(seconds=1e6)), 200.0)
    assert device.active() == 6
    device.state.close()
    for name in ("update.sqlite", "update.copy"):
        (device.folder / name).unlink()
    device.start()
    assert device.state.device_state.floor == 4
    assert device.active() == 4
    device.fleet.publish(plan(3))
    device.fleet.stand("plan-6", "aborted")
    device.run(300.0)
    assert device.active() == 4


@pytest.mark.parametrize("copies", [("update.sqlite",), ("update.copy",), ("update.sqlite", "update.copy")])
def test_a_device_goes_on_with_a_damaged_state(device: Device, copies: tuple[str, ...]) -> None:
    """With one whole copy nothing is lost. Without, the floor comes from the slots, and the device enrols again."""
    device.follow(plan(4), 200.0)
    before = device.state.device_state
    device.agent.close()
    device.state.close()
    for name in copies:
        data = (device.folder / name).read_bytes()
        (device.folder / name).write_bytes(data[:16] + b"\xff" * (len(data) - 16))
    device.start()
    assert (device.state.device_state.floor, device.active()) == (4, 4)
    assert (device.state.device_state.plans == before.plans) == (len(copies) == 1)
    device.follow(plan(3), 200.0)
    assert device.active() == 4
    device.follow(plan(5), 200.0)
    assert device.active() == 5


def test_another_product_is_refused(device: Device) -> None:
    changed = device.state.change(product="valve")
    assert changed.product == "valve"
    device.state.close()
    with pytest.raises(DeviceSettingsError):
        device.start()


def test_quarantine_begins_nothing_until_a_report_is_acknowledged(device: Device) -> None:
    device.listener.refuses = InputError("one device with this key", "two")
    device.run(2.0)
    device.follow(plan(1), 300.0)
    assert (device.active(), device.agent.phase) == (0, "quarantined")
    assert "one device with this key" in device.agent.why
    device.listener.refuses = None
    device.state.acknowledge(Acknowledged(nonce="n9"))
    device.run(120.0)
    assert device.active() == 1


def test_a_full_disk_begins_nothing_and_is_waited_for(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    real = device.state._database.execute

    def full(sql: str, arguments: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        if sql == "COMMIT":
            raise OSError(28, "No space left on device")
        return real(sql, arguments)

    device.run(2.0)
    monkeypatch.setattr(device.state._database, "execute", full)
    device.follow(plan(1), 300.0)
    assert device.active() == 0
    assert device.process.starts == ["a"]
    assert "OutputError:fleet.device.state_database.State._write:ENOSPC" in device.agent.why
    monkeypatch.undo()
    device.run(200.0)
    assert device.active() == 1


def test_a_first_release_that_fails_leaves_no_package_and_the_next_one_comes(tmp_path: Path) -> None:
    device = Device(tmp_path / "store", factory=False)
    device.follow(plan(1, trial=TrialLimits(seconds=1e6, crashes=0)), 10.0)
    assert device.active() == 1
    device.process.crash()
    device.run(10.0)
    assert device.active() == -1
    device.follow(plan(2), 200.0)
    assert device.active() == 2
    assert device.state.device_state.floor == 2


def test_running_time_and_the_time_a_plan_was_seen_are_kept(device: Device) -> None:
    device.run(500.0)
    device.follow(plan(1, stages=(Stage(name="none", percent=0.0),)), 200.0)
    device.restart()
    followed = device.state.device_state.followed("plan-1")
    assert followed is not None
    assert 500.0 <= followed.seen <= 700.0
    assert device.agent.running >= 690.0


def test_a_clock_behind_the_signed_time_does_not_let_an_online_key_run_ahead(device: Device) -> None:
    stages = (Stage(name="canary", percent=0.0, dwell=5000.0), Stage(name="all", percent=100.0, gated=False))
    device.clock.day = 0.0
    device.fleet.signed = BORN + 1e6
    device.fleet.publish(plan(1, stages=stages), stage=1)
    device.run(3000.0, max_step_s=100.0)
    assert device.active() == 0
    device.run(3000.0, max_step_s=100.0)
    assert device.active() == 1
