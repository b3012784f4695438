"""A device or server that was behind: signed starts, aborts, and clocks that are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from benchmarks.faults.fleet_device import BORN, Device, Even, HandClock, plan

from edgewright.core.errors import RolloutStateError
from edgewright.core.records.fleet import Standing, TrialLimits
from edgewright.fleet.device.enrollment import EnrolledPorts, EnrollmentPorts
from edgewright.fleet.device.ports import ClockJump
from edgewright.fleet.protocol.layout import Refused, Seen, Unreachable, plan_target
from edgewright.fleet.repository.folder import read_target
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.tables import audit, rollouts
from edgewright.fleet.server.rollouts.transitions import Rollouts, missed
from rollout_example import HOUR, Example


class Killed(BaseException):
    """The process is gone between the signature and the commit."""


def rollouts_of(example: Example) -> Rollouts:
    return Rollouts(
        example.database, example.committer, example.signer.sign, lambda: example.now, example.publisher.publish,
        lambda one: read_target(example.fleet, plan_target(one.plan), one.sha256),
    )  # fmt: skip


def killed(example: Example, act: str, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - of a method
    """Run a step whose commit never comes."""
    service = rollouts_of(example)

    def dies(work: object) -> object:
        raise Killed

    service._committer = type("Dead", (), {"submit": staticmethod(dies)})()
    with pytest.raises(Killed):
        getattr(service, act)(*arguments, **more)


def row(example: Example) -> Any:  # noqa: ANN401 - a row
    with example.database.reading() as connection:
        assert tables.verify_audit_log(connection)[2] == ""
        return connection.execute(sa.select(rollouts)).one()


def acts(example: Example) -> list[str]:
    with example.database.reading() as connection:
        query = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
        return list(connection.execute(query).scalars())


def test_a_start_that_was_signed_alone_is_written_down_by_whoever_signs_next(example: Example) -> None:
    body = example.signed_plan()
    example.scheduler.tick()
    killed(example, "start", body, "ada")
    with pytest.raises(RolloutStateError):
        example.rollouts.refresh()  # without the plans' bytes it cannot follow
    rollouts_of(example).refresh()
    assert (row(example).state, row(example).stage, row(example).body) == ("running", 0, body)
    assert acts(example) == ["rollout.started"]
    assert rollouts_of(example).start(body, "ada").state == "running"  # who asked for it asks again
    assert acts(example) == ["rollout.started"]


def test_an_abort_that_was_signed_alone_is_not_taken_back(example: Example) -> None:
    example.started()
    killed(example, "steer", "first", "ada", "aborted", revert=True)
    rollouts_of(example).refresh()
    assert (row(example).state, bool(row(example).revert)) == ("aborted", True)
    assert acts(example) == ["rollout.started", "rollout.aborted"]


def test_a_stage_that_a_pause_overtook_leaves_it_paused_and_able_to_go_on(example: Example) -> None:
    example.started()
    example.end(example.enrol(60), "confirmed")
    example.now += HOUR
    seen = row(example).version
    mine = rollouts_of(example)
    real = example.committer.submit

    def overtaken(work: Any) -> Any:  # noqa: ANN401 - as `Committer.submit`
        example.committer.submit = real  # type: ignore[method-assign]
        with example.database.writing.begin() as connection:  # another server's pause, which was signed before
            connection.execute(sa.update(rollouts).values(state="paused", version=rollouts.c.version + 1))
            connection.execute(sa.text("UPDATE heads SET serial = serial + 1"))
        return real(work)

    example.committer.submit = overtaken  # type: ignore[method-assign]
    assert mine.advance("first", seen).state == "paused"
    mine.refresh()
    assert (row(example).state, row(example).stage) == ("paused", 1)
    assert mine.steer("first", "ada", "running").state == "running"


def test_the_stricter_of_two_words_counts() -> None:
    def standing(state: Any, stage: int = 0, revert: bool = False) -> Standing:  # noqa: ANN401 - a state
        return Standing(
            plan="p", sha256="a" * 64, product="main", state=state, stage=stage, entered=float(stage), revert=revert
        )

    def lacks(here: Standing, signed: Standing) -> Any:  # noqa: ANN401 - of a test
        command = missed({**msgspec.structs.asdict(here), "version": 1}, signed, lambda _: b"")
        return command and (command.action, command.values)

    assert lacks(standing("running"), standing("running")) is None
    assert lacks(standing("aborted"), standing("running")) is None
    assert lacks(standing("paused", 1), standing("running", 0)) is None
    assert lacks(standing("running"), standing("running", 1)) == ("rollout.stage", {"stage": 1, "entered": 1.0})
    assert lacks(standing("running"), standing("finished")) == ("rollout.finished", {"state": "finished"})
    assert lacks(standing("aborted"), standing("aborted", 0, True)) == ("rollout.aborted", {"revert": True})


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
