"""A rollout on a real database looks after itself: it halts, holds, keeps its pace, and knows who counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Allowed, Gate, Intent, Stage, Window
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.server.database.tables import devices, rollouts
from edgewright.fleet.server.rollouts.offered import ask, decide_intent
from rollout_example import FAILED, HOUR, NOW, Example, gates_of, plan

ONE_PERCENT = (Stage(name="canary", percent=1.0, dwell=HOUR), Stage(name="all", percent=100.0, dwell=HOUR))


def row(example: Example) -> Any:  # noqa: ANN401 - a row
    with example.database.reading() as connection:
        return connection.execute(sa.select(rollouts)).one()


def canary(names: list[str], percent: float = 1.0) -> list[str]:
    """Whose place is within the percent."""
    planned = plan()
    return [name for name in names if position(planned.salt, planned.id, name) < percent]


def test_a_bad_model_at_a_canary_of_1_percent_is_halted_by_its_first_reports(example: Example) -> None:
    everybody = example.enrol(1000)
    example.started(stages=ONE_PERCENT)
    exposed = canary(everybody)
    assert 4 < len(exposed) < 20
    example.allow(exposed)
    assert example.scheduler.tick() == []
    example.end(exposed, "reverted", "alarms")
    assert [h.kind for h in example.scheduler.tick()] == ["halted"]
    assert (row(example).state, row(example).revert) == ("aborted", True)
    assert "failed: 100.0%" in row(example).why
    for _ in range(3):
        example.now += 24 * HOUR
        assert [h.kind for h in example.scheduler.tick()] in ([], ["renewed"])  # only a person begins anew
    assert row(example).state == "aborted"


def test_a_model_that_passes_its_trials_but_tells_too_much_is_halted(example: Example) -> None:
    names = example.enrol(40)
    example.started(gates=(FAILED, Gate(measure="alarms", limit=5.0), Gate(measure="latency", ratio=2.0)))
    example.end(names[:10], "confirmed")
    example.now += 600.0
    example.report(names[:10], 2, alarms=1)
    example.report(names[10:], 1)
    record = {one["measure"]: one["said"] for one in _verdicts(example)}
    assert record == {"failed": "pass", "alarms": "fail", "latency": "pass", "confirmed": "hold"}
    assert row(example).state == "aborted"


def _verdicts(example: Example) -> list[dict[str, Any]]:
    import json

    example.scheduler.tick()
    verdicts: list[dict[str, Any]] = json.loads(row(example).judged)
    return verdicts


@pytest.mark.parametrize(("restarts", "halted"), [(1, False), (2, True)])
def test_one_power_cut_of_a_site_halts_nothing_and_a_second_restart_of_the_new_release_does(
    example: Example, restarts: int, halted: bool
) -> None:
    names = example.enrol(40)
    example.now += HOUR
    example.report(names, 1, seconds=30 * HOUR)
    example.started(gates=(Gate(measure="crashes", limit=2.0, ratio=3.0),))
    example.end(names[:10], "confirmed")
    for number in range(1 + restarts):  # the power of the whole site fails; then only the new release restarts
        example.now += 900.0
        new, old = (0, 900.0) if number == 0 else (1, 60.0), (0, 31 * HOUR) if number != 1 else (1, 60.0)
        example.report(names[:10], 2, seconds=new[1], crashes=new[0])
        example.report(names[10:], 1, seconds=old[1], crashes=old[0])
    example.scheduler.tick()
    assert (row(example).state == "aborted") is halted
    assert ("crashes: median" in row(example).why) is halted


def test_devices_that_fall_silent_after_their_leave_are_failures(example: Example) -> None:
    names = example.enrol(20)
    example.started()
    example.allow(names[:10])
    example.now += 1.0
    for _ in range(17):  # the control plane is there all the time
        example.now += 100.0
        assert example.scheduler.tick() == []
    example.now += 200.0
    assert [h.kind for h in example.scheduler.tick()] == ["halted"]


@pytest.mark.slow
@pytest.mark.parametrize(("others", "halted"), [("speak", True), ("silent", False)])
def test_devices_that_confirmed_and_then_fall_silent_are_failures_unless_all_others_do(
    example: Example, others: str, halted: bool
) -> None:
    names = example.enrol(40)
    example.started()
    new, old = names[:10], names[10:]
    example.allow(new)
    example.end(new, "confirmed")
    happened: list[str] = []
    for _ in range(100):  # the control plane is there all the time
        example.now += 100.0
        if others == "speak":
            with example.database.writing.begin() as connection:
                connection.execute(
                    sa.update(devices).where(devices.c.id.in_(old)).values(last_report_at=example.now)
                )  # fmt: skip
        happened += [h.kind for h in example.scheduler.tick() if h.kind != "renewed"]
    assert ("halted" in happened) == halted


def test_while_the_control_plane_was_away_nobody_was_silent(example: Example) -> None:
    names = example.enrol(20)
    example.started()
    example.allow(names[:10])
    example.now += 3 * HOUR  # it was killed, and comes back
    example.close()
    example.open()
    assert example.scheduler.tick() == []
    assert row(example).state == "running"
    assert "0 of the 5" in row(example).holds


def test_clones_newcomers_and_other_products_do_not_count(example: Example) -> None:
    good = example.enrol(10)
    clones = example.enrol(20, 100, quarantined=True)
    late = example.enrol(20, 200, enrolled_at=NOW + 60.0)
    others = example.enrol(20, 300, product="other")
    example.started()
    example.end(good, "confirmed")
    example.end([*clones, *late, *others], "reverted", "crash")
    example.report([*clones, *late, *others], 2, alarms=900)
    with example.database.reading() as connection:
        gate_seens = gates_of(
            connection, plan(gates=(FAILED, Gate(measure="alarms", limit=1.0))), NOW - 1.0, NOW + 1.0
        )  # fmt: skip
    assert [(one.verdict, one.counted) for one in gate_seens] == [("pass", 10), ("hold", 0)]


def test_an_abort_is_nobodys_failure_and_a_late_confirmation_takes_none_back(example: Example) -> None:
    names = example.enrol(20)
    example.started()
    example.end(names[:10], "reverted", "aborted")
    with example.database.reading() as connection:
        assert gates_of(connection, plan(), NOW, NOW)[0].counted == 0
    example.end(names[10:], "reverted", "memory")
    with example.database.reading() as connection:
        assert gates_of(connection, plan(), NOW, NOW)[0].verdict == "fail"


def test_bytes_that_a_mirror_damaged_are_no_vote_and_the_device_may_have_the_release_later(example: Example) -> None:
    """Older agents send an outcome for wrong bytes."""
    names = example.enrol(5)
    gate = msgspec.structs.replace(FAILED, quorum=1)
    example.started(stages=(Stage(name="all", percent=100.0, dwell=HOUR),), gates=(gate,))
    example.update(names[:3])
    example.end(names[3:], "refused", "damaged")
    for _ in range(12):
        example.now += 600.0
        example.speak(names)
        assert not {one.kind for one in example.scheduler.tick()} & {"halted", "finished"}
    assert row(example).state == "running"
    assert "2 have not asked yet" in row(example).holds
    assert ask_for(example, names[4]).go


def test_classes_are_compared_with_the_devices_own_answers_before(example: Example) -> None:
    names = example.enrol(10)
    example.started()
    example.end(names, "activated")
    example.report(names, 1, detail='{"classes": {"walk": 50, "sit": 50}}')
    example.now += 60.0
    example.report(names, 2, detail='{"classes": {"walk": 100}}')
    gates = (Gate(measure="classes", limit=0.3), Gate(measure="drift", limit=0.5), Gate(measure="memory", limit=1e6))
    with example.database.reading() as connection:
        gate_seens = gates_of(connection, plan(gates=gates), NOW - 1.0, example.now)
    assert [one.verdict for one in gate_seens] == ["fail", "pass", "pass"]
    assert gate_seens[0].value == pytest.approx(0.5)


def ask_for(example: Example, device: str, **changes: Any) -> Allowed:  # noqa: ANN401 - fields of Intent
    """Return an intent, decided and written down as the endpoint does it."""
    intent = Intent(**{"nonce": "", "plan": "first", "counter": 2, "stage": 0, **changes})

    def work(connection: sa.Connection) -> Allowed:
        device_row = dict(connection.execute(sa.select(devices).where(devices.c.id == device)).one()._mapping)
        decided = decide_intent(connection, device_row, intent, example.now)
        ask(connection, device, intent, example.now)
        return decided

    return example.committer.submit(work).result()


def test_an_intent_is_allowed_only_where_plan_stage_and_state_allow_it(example: Example) -> None:
    names = example.enrol(100)
    example.started()
    inside = canary(names, 10.0)
    outside = next(name for name in names if name not in inside)
    assert ask_for(example, inside[0]).go
    for wrong, why in (
        ({"plan": "other"}, "no rollout"), ({"counter": 3}, "release 2"), ({"stage": 1}, "has not begun"),
    ):  # fmt: skip
        decided = ask_for(example, inside[1], **wrong)
        assert not decided.go
        assert why in decided.why
    assert "beyond" in ask_for(example, outside).why
    example.end(inside[2:3], "reverted", "crash")
    assert "failed on this device" in ask_for(example, inside[2]).why
    example.rollouts.steer("first", "ann", "paused", "look")
    assert "paused: look" in ask_for(example, inside[1]).why
    example.rollouts.steer("first", "ann", "aborted", revert=True)
    assert "aborted" in ask_for(example, inside[1]).why


def test_tags_that_a_device_gives_itself_let_it_in_nowhere(example: Example) -> None:
    from edgewright.core.records.fleet import Cohort

    honest = example.enrol(1, 0, tags=("canary",), given=("canary",))[0]
    liar = example.enrol(1, 1, tags=("canary",), given=())[0]
    stages = (Stage(name="one", percent=100.0, cohorts=("c",)),)
    example.started(cohorts={"c": Cohort(tags=("canary",))}, stages=stages)
    assert ask_for(example, honest).go
    assert "no cohort" in ask_for(example, liar).why


def test_the_pace_is_kept_and_who_had_leave_is_not_counted_again(example: Example) -> None:
    names = example.enrol(10)
    example.started(stages=(Stage(name="all", percent=100.0),), pace=3.0)
    allowed = [ask_for(example, name).go for name in names]
    assert sum(allowed) == 3
    assert ask_for(example, names[0]).go
    refused = ask_for(example, names[9])
    assert "pace is 3" in refused.why
    assert 0 < refused.wait <= HOUR
    example.now += HOUR + 1.0
    assert sum(ask_for(example, name).go for name in names[3:]) == 3


def test_outside_of_maintenance_nobody_gets_leave(example: Example) -> None:
    name = example.enrol(1)[0]
    shut = int(NOW % 86_400 / 60) + 120
    example.started(stages=(Stage(name="all", percent=100.0),), windows=(Window(start=shut, end=shut + 60),))
    decided = ask_for(example, name)
    assert "maintenance" in decided.why
    example.now += decided.wait + 1.0
    assert ask_for(example, name).go


def test_a_plan_that_expired_ends_where_it_stands(example: Example) -> None:
    example.started()
    example.now = NOW + 30 * 24 * HOUR + 1.0
    assert "finished" in [h.kind for h in example.scheduler.tick()]
    assert "expired" in row(example).why
