"""Somebody sets a device's clock, or it sleeps: what was put off is tried at once, and nothing is held against it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.faults.fleet_device import BORN, Device, Even, HandClock, plan

from edgewright.fleet.device.backoff import ClockJump
from edgewright.fleet.device.enrollment import EnrolledPorts, EnrollmentPorts
from edgewright.fleet.protocol.ports import Refused, Seen, Unreachable
from edgewright.schema.fleet_plan import TrialLimits

DAY = 86_400.0


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "store")


def test_only_a_clock_that_was_set_has_stepped() -> None:
    clock = HandClock()
    stepped = ClockJump(clock)
    clock.forward(30 * DAY)  # as a machine that slept
    assert not stepped()
    clock.day -= 20.0  # as a clock that is trimmed
    assert not stepped()
    for jump in (400 * DAY, -400 * DAY):
        clock.day += jump
        assert stepped()
        assert not stepped()


@pytest.mark.slow
def test_news_that_were_refused_for_days_are_asked_for_as_soon_as_the_clock_is_right(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, wrong = device.fleet.refresh, 400 * DAY

    def refresh() -> Seen:
        if device.clock.day > BORN + 300 * DAY:
            raise Refused("expired by this device's clock", "expired")
        return good()

    monkeypatch.setattr(device.fleet, "refresh", refresh)  # the world's side
    device.clock.day += wrong
    device.follow(plan(1), 2 * DAY, max_step_s=3600.0)
    assert device.active() == 0
    assert "news refused" in device.agent.why
    assert device.agent.contact_at > device.clock.now
    waits = device.agent._poll.due - device.clock.now
    device.clock.day -= wrong
    device.agent.step()
    assert waits > 60.0  # it would have waited for so long
    assert "news refused" not in device.agent.why
    device.run(30.0)
    assert device.active() == 1


def test_a_device_that_is_not_enrolled_asks_again_when_its_clock_was_set() -> None:
    clock, tries = HandClock(), list[float]()

    def join() -> EnrolledPorts:
        tries.append(clock.now)
        raise Unreachable("certificate refused: certificate is not yet valid")

    joining = EnrollmentPorts(join, clock, Even())
    for _ in range(50):
        assert not joining.attempt()
        clock.forward(max(0.0, joining.due - clock.now))
    joining.attempt()
    assert joining.due - clock.now > 100.0
    clock.forward(1.0)
    assert not joining.attempt() and tries[-1] < clock.now
    clock.day += 20_000 * DAY
    joining.attempt()
    assert tries[-1] == clock.now


def test_a_month_asleep_is_not_held_against_a_release_on_trial(device: Device) -> None:
    device.follow(plan(1, trial=TrialLimits(seconds=600.0, patience=DAY)), 100.0)
    assert device.agent.phase == "trial"
    device.clock.forward(30 * DAY)
    device.run(200.0)
    assert device.agent.phase == "trial" and device.state.device_state.trial is not None
    assert device.state.device_state.trial.waited < DAY
    device.run(600.0)
    assert (device.active(), device.state.device_state.floor, device.state.device_state.burned) == (1, 1, ())
