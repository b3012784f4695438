"""A stage ends when the devices that were offered the release are known to be healthy after its dwell."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.errors import PlanError, RolloutStateError, SignatureError
from edgewright.core.records.fleet import Gate, Plan, Stage
from edgewright.fleet.protocol.plans.detection import BY_SIZE, tolerated, watched_s
from edgewright.fleet.protocol.plans.options import DEFAULT_GATES, PlanOptions, check, check_new, make_plan
from edgewright.fleet.repository.acceptance import settle
from edgewright.fleet.repository.publication import prepare_release, publish_plan
from edgewright.fleet.server.database.tables import audit
from fleet_folder import package
from rollout_example import BLANK, FAILED, HOUR, NOW, STAGES, Example, go, plan, row, within


@pytest.mark.parametrize(("dead", "end"), [(1, "stage"), (2, "halted"), (4, "halted")])
def test_a_release_that_hangs_devices_is_halted_in_the_canary(example: Example, dead: int, end: str) -> None:
    """38 % of ten canaries hang; a quorum of the others confirms."""
    everybody = example.enrol(120)
    example.started()
    canary = within(everybody, 10.0)[:10]
    others = [name for name in everybody if name not in canary and name not in within(everybody, 10.0)]
    example.speak(within(everybody, 10.0)[10:], quarantined=True)  # the canary has ten devices that count
    hung, well = canary[:dead], canary[dead:]
    example.allow(hung)
    example.update(well)
    happened = go(example, HOUR - 600.0, [*well, *others])
    assert happened == []
    steps = go(example, HOUR / 2, [*well, *others])
    assert steps[:1] == [end], row(example).holds


def test_a_device_that_hangs_before_the_dwell_is_over_keeps_the_stage_from_ending(example: Example) -> None:
    """It confirmed the release and reported ten minutes before the end: that is no proof."""
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    living = [name for name in everybody if name not in canary[:2]]
    example.started()
    example.update(canary)
    assert go(example, HOUR - 600.0, everybody) == []
    assert go(example, 1200.0, living) == []
    assert "2 not heard since" in row(example).holds
    assert go(example, HOUR, living) == ["halted"]


def test_a_stage_waits_for_devices_that_are_there_and_have_not_asked(example: Example) -> None:
    names = within(example.enrol(300), 10.0)
    example.started()
    example.update(names[:10])
    assert go(example, 3 * HOUR, names) == []
    assert f"{len(names) - 10} have not asked yet" in row(example).holds
    example.update(names[10:])
    assert go(example, 600.0, names) == ["stage"]


def test_limits_hold_for_each_stage_and_for_all_together(example: Example) -> None:
    """Two fifths of the second stage fail: among all devices that is little."""
    everybody = example.enrol(400)
    example.started()
    canary = within(everybody, 10.0)
    example.update(canary)
    assert go(example, HOUR, everybody) == ["stage"]
    second = within(everybody, 50.0)
    new = [name for name in second if name not in canary][:10]
    assert len(canary) > 30
    example.allow(new)
    example.end(new[:6], "confirmed")
    example.end(new[6:], "reverted", "crash")
    example.speak([name for name in everybody if name not in (*canary, *new)], last_report_at=NOW - 2 * HOUR)
    assert go(example, HOUR, [*canary, *new]) == ["halted"]
    assert "in this stage alone" in row(example).why


def test_a_release_that_answers_otherwise_is_halted_by_the_default_gates(example: Example) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.report(everybody, 1, detail='{"classes": {"walk": 50, "sit": 50}}')
    example.now += 60.0
    example.started(gates=DEFAULT_GATES)
    example.update(canary)
    example.now += 600.0
    example.report(canary, 2, detail='{"classes": {"fall": 80, "sit": 20}}')
    example.speak(everybody)
    assert [event.kind for event in example.scheduler.tick()] == ["halted"]
    assert "classes" in row(example).why


def test_a_canary_of_one_device_gets_as_much_time_again_and_is_then_halted(example: Example) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.speak(canary[1:], quarantined=True)
    example.started(gates=(Gate(measure="alarms", limit=5.0, ratio=3.0),))
    example.update(canary[:1])
    example.report(everybody, 1)
    example.report(canary[:1], 2, alarms=10)
    assert go(example, 2 * HOUR - 600.0, everybody) == []
    assert "not significantly" in row(example).holds
    assert go(example, 600.0, everybody) == ["halted"]


def test_what_a_product_does_not_measure_keeps_no_stage(example: Example) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.report(everybody, 1, channels=0)
    example.now += 60.0
    example.started(gates=DEFAULT_GATES)
    example.update(canary)
    example.report(canary, 2, channels=0)
    assert go(example, HOUR, everybody) == ["stage"]
    assert "drift: no device of this product measures it" in row(example).why


@pytest.mark.parametrize(("before", "answered"), [({}, 0), ({}, 2), ({"walk": 0, "sit": 0}, 1)])
def test_devices_without_an_answer_before_the_release_are_not_waited_for(
    example: Example, before: dict[str, int], answered: int
) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.report(canary[answered:], 1, detail=msgspec.json.encode({"classes": before}).decode())
    example.report(canary[:answered], 1, detail='{"classes": {"walk": 9}}')
    example.now += 60.0
    example.started(gates=(FAILED, Gate(measure="classes", limit=0.5)))
    example.update(canary)
    example.report(canary, 2, detail='{"classes": {"walk": 10}}')
    assert go(example, HOUR, everybody) == ["stage"]


@pytest.mark.parametrize("times", [1.0, 9.0])
def test_a_small_fleet_is_compared_with_the_few_that_are_left(example: Example, times: float) -> None:
    everybody = example.enrol(12)
    early = sorted(within(everybody, 60.0))
    stages = (Stage(name="most", percent=60.0, dwell=HOUR), Stage(name="all", percent=100.0, dwell=HOUR))
    gate = Gate(measure="processor", quorum=9, quantile=0.5, limit=0.0, ratio=3.0)
    example.started(stages=stages, gates=(FAILED, gate))
    example.update(early)
    example.report([name for name in everybody if name not in early], 1, processor=10.0)
    example.report(early, 2, processor=10.0 * times)
    assert 1 < 12 - len(early) < 9
    assert go(example, HOUR, everybody) == ["stage" if times < 3.0 else "halted"]


def test_a_few_devices_that_answer_otherwise_than_before_keep_the_stage_though_the_others_are_new(
    example: Example,
) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.report(canary[:2], 1, detail='{"classes": {"walk": 50}}')
    example.now += 60.0
    example.started(gates=(FAILED, Gate(measure="classes", limit=0.5)))
    example.update(canary)
    example.report(canary, 2, detail='{"classes": {"fall": 50}}')
    assert go(example, HOUR, everybody) == []
    assert "classes" in row(example).holds


def test_young_devices_that_answer_first_do_not_lower_the_quorum_of_a_large_stage(example: Example) -> None:
    everybody = example.enrol(300)
    canary = within(everybody, 10.0)
    example.report(canary[4:], 1, detail='{"classes": {"walk": 50}}')
    example.now += 60.0
    example.started(gates=(FAILED, Gate(measure="classes", limit=0.5)))
    example.update(canary)
    example.report(canary[:5], 2, detail='{"classes": {"walk": 50}}')
    assert go(example, HOUR, everybody) == []
    assert "classes: 1 of the 5 required devices have reported" in row(example).holds
    example.report(canary[5:9], 2, detail='{"classes": {"walk": 50}}')
    assert go(example, 600.0, everybody) == ["stage"]


def test_the_quorum_follows_the_size_of_a_small_fleet(example: Example) -> None:
    everybody = example.enrol(5)
    stages = (Stage(name="canary", percent=20.0, dwell=HOUR), Stage(name="all", percent=100.0, dwell=HOUR))
    example.started(stages=stages, gates=(FAILED,))
    assert FAILED.quorum == 5
    assert len(within(everybody, 20.0)) in (0, 1, 2)
    example.update(within(everybody, 20.0))
    assert go(example, HOUR, everybody) == ["stage"]
    example.update([name for name in everybody if name not in within(everybody, 20.0)])
    assert go(example, HOUR, everybody) == ["finished"]


def test_a_stage_without_devices_is_passed_and_a_fleet_without_devices_is_not(example: Example) -> None:
    stages = (Stage(name="canary", percent=0.001, dwell=HOUR), Stage(name="all", percent=100.0, dwell=HOUR))
    example.started(stages=stages)
    assert go(example, 2 * HOUR, []) == []
    assert "no device was offered the release yet" in row(example).holds
    everybody = example.enrol(5)
    assert go(example, 600.0, everybody) == ["stage"]
    assert "no device is in this stage" in row(example).why


def test_a_stage_that_only_later_devices_have_run_names_them(example: Example) -> None:
    example.started(stages=(Stage(name="all", percent=100.0, dwell=HOUR, gated=False),))
    example.update(example.enrol(3, enrolled_at=NOW + 1.0))
    assert go(example, 2 * HOUR, []) == []
    assert "yet; devices that enrolled after the plan was signed do not count (3)" in row(example).holds


def test_a_rollout_is_not_finished_by_the_word_of_one_device_of_twelve(example: Example) -> None:
    names = example.enrol(12)
    gate = msgspec.structs.replace(FAILED, quorum=1)
    example.started(stages=(Stage(name="all", percent=100.0, dwell=HOUR),), gates=(gate,))
    example.update(names[:1])
    assert go(example, 2 * HOUR, names) == []
    example.update(names[1:])
    assert go(example, 600.0, names) == ["finished"]


def finished(example: Example, **changes: Any) -> list[str]:  # noqa: ANN401 - fields of Plan
    """Return the devices of a finished rollout; before it they reported every 90 minutes, five every 3 hours."""
    names = example.enrol(20)
    for before in (6, 5, 4, 3, 2, 1):
        example.now = NOW - before * 1.5 * HOUR
        example.report(names[15:] if before % 2 else [], 1)
        example.report(names[:15], 1)
    example.now = NOW
    example.started(stages=(Stage(name="all", percent=100.0, dwell=HOUR),), **changes)
    example.update(names)
    assert go(example, HOUR, names) == ["finished"]
    return names


@pytest.mark.slow
def test_a_finished_rollout_stays_under_its_gates(example: Example) -> None:
    names = finished(example)
    assert go(example, HOUR, names) == []
    assert go(example, 2 * HOUR, names[12:]) == ["halted"]
    assert (row(example).state, row(example).revert) == ("aborted", True)
    assert row(example).why.startswith("after it was finished: failed")


def test_after_its_time_a_finished_rollout_is_watched_no_more(example: Example) -> None:
    names = finished(example, watch=HOUR)
    assert go(example, HOUR, names) == []
    assert go(example, 2 * HOUR, names[12:]) == []


def test_devices_that_were_away_as_long_before_are_not_counted_while_it_is_watched(example: Example) -> None:
    names = finished(example)
    assert go(example, 1.5 * HOUR, []) == []  # longer than the plan's silence, but not than before
    assert row(example).state == "finished"
    assert go(example, HOUR / 2, names[15:]) == ["halted"]


def test_a_dwell_below_the_silence_is_refused_with_the_numbers_to_use() -> None:
    quick = msgspec.structs.replace(plan(), silence=2 * HOUR)
    with pytest.raises(PlanError, match=r"at least 2 h.*1 h in stage 'canary'.*--dwell 120m or more, or --silence 60m"):
        check_new(quick)
    check(quick)  # devices and the signer go on with one that was signed by an older version
    check_new(msgspec.structs.replace(quick, stages=tuple(msgspec.structs.replace(s, gated=False) for s in STAGES)))
    check_new(make_plan(PlanOptions(), BLANK, None, name="usual", salt="5" * 64, now=NOW))


def test_a_plan_without_the_new_options_is_one_that_older_devices_read() -> None:
    written = msgspec.json.decode(msgspec.json.encode(plan()))
    assert not {"watch", "unconfirmed"} & set(written)
    assert msgspec.json.decode(msgspec.json.encode(plan()), type=Plan) == plan()


def test_a_person_promotes_a_stage_that_holds_after_its_dwell_and_says_why(example: Example) -> None:
    everybody = example.enrol(100)
    canary = within(everybody, 10.0)
    example.started()
    example.update(canary[:6])
    with pytest.raises(RolloutStateError):
        example.rollouts.promote("first", "ann", "canary", "in a hurry")
    assert go(example, 2 * HOUR, everybody) == []
    with pytest.raises(SignatureError):
        example.rollouts.promote("first", "ann", "half", "wrong one")
    assert example.rollouts.promote("first", "ann", "canary", "the rest is unplugged").stage == 1
    with example.database.reading() as connection:
        last = connection.execute(sa.select(audit).order_by(audit.c.number.desc())).first()
    assert last is not None
    assert (last.what, last.who) == ("rollout.promoted", "ann")
    assert "the rest is unplugged; it held: confirmed: 6 of" in last.detail
    with pytest.raises(RolloutStateError):
        example.rollouts.promote("first", "ann", "half", "at once")


def test_a_package_is_started_again_after_an_abort_and_the_audit_trail_says_so(example: Example) -> None:
    example.started()
    example.rollouts.steer("first", "ann", "aborted", "hot day", revert=True)
    with pytest.raises(RolloutStateError):
        example.rollouts.start(example.signed_plan(id="second"), "ann")
    change, published = prepare_release(example.fleet, package(example.folder, "1"), example.now, product="main")
    settle(example.fleet, change, example.fleet.ring(), example.now)
    example.scheduler.tick()
    assert published[0].release.sha256 == example.releases[1].sha256
    assert published[1].release.sha256 == example.releases[0].sha256  # and back to the bytes before the aborted ones
    again = plan(id="third", release=published[0].release, revert=published[1].release)
    body = publish_plan(example.fleet.folder, again, now=example.now)
    example.scheduler.tick()
    assert example.rollouts.start(body, "ann").state == "running"
    assert row(example).why == (
        "started by ann; the same package as release 2, whose rollout first was aborted (hot day)"
    )
    with pytest.raises(SignatureError, match="expected a new package"):
        prepare_release(example.fleet, package(example.folder, "1"), example.now, product="main")


@pytest.mark.parametrize(("dead", "first", "last"), [(0, "stage", "stage"), (1, None, "halted"), (3, "halted", None)])
def test_a_small_stage_tolerates_no_missing_device(
    example: Example, dead: int, first: str | None, last: str | None
) -> None:
    """A stage of ten whose tolerance follows from its size: one silent device holds it, and halts it after as long."""
    everybody = example.enrol(120)
    example.started(unconfirmed=BY_SIZE)
    canary = within(everybody, 10.0)[:10]
    example.speak(within(everybody, 10.0)[10:], quarantined=True)
    living = [name for name in everybody if name not in canary[:dead]]
    example.allow(canary[:dead])
    example.update(canary[dead:])
    assert go(example, HOUR - 600.0, living) == []
    assert go(example, 1800.0, living)[:1] == ([first] if first else [])
    if first is None:
        assert "9 of 10 devices have reported that they are healthy" in row(example).holds
        assert go(example, HOUR, living) == [last]


def test_a_device_that_comes_back_ends_the_stage_that_waits_for_it(example: Example) -> None:
    everybody = example.enrol(100)
    example.started(unconfirmed=BY_SIZE)
    canary = within(everybody, 10.0)
    example.update(canary)
    living = [name for name in everybody if name not in canary[:1]]
    assert go(example, HOUR + 1800.0, living) == []
    assert go(example, 600.0, everybody) == ["stage"]


def test_as_many_may_be_missing_as_are_silent_on_the_old_release(example: Example) -> None:
    everybody = example.enrol(900)
    example.started(unconfirmed=BY_SIZE)
    canary = within(everybody, 10.0)
    others = [name for name in everybody if name not in canary]
    example.update(canary)
    assert tolerated(BY_SIZE, len(canary)) < 3
    silent = {*canary[:3], *others[: len(others) // 20]}  # 5 %, of both
    assert go(example, HOUR + 600.0, [name for name in everybody if name not in silent])[-1:] == ["stage"]


def test_a_stage_waits_until_its_devices_have_run_the_release_for_its_time(example: Example) -> None:
    """They begin late, as in a maintenance window: a stage of 3 hours watches each device for two."""
    stages = (Stage(name="canary", percent=10.0, dwell=3 * HOUR), STAGES[-1])
    everybody = example.enrol(100)
    example.started(unconfirmed=BY_SIZE, stages=stages)
    canary = within(everybody, 10.0)
    watched = watched_s(3 * HOUR, plan().silence)
    assert watched > HOUR
    example.speak(canary, quarantined=True)
    assert go(example, 3 * HOUR - 600.0, everybody) == []
    example.speak(canary, quarantined=False)
    example.update(canary)
    assert go(example, watched - 600.0, everybody) == []
    assert "0 have run the release for" in row(example).holds
    assert go(example, 1200.0, everybody) == ["stage"]


def test_a_fault_that_shows_within_the_time_is_found_in_a_stage_that_began_late(example: Example) -> None:
    stages = (Stage(name="canary", percent=10.0, dwell=3 * HOUR), STAGES[-1])
    everybody = example.enrol(100)
    example.started(unconfirmed=BY_SIZE, stages=stages)
    canary = within(everybody, 10.0)
    assert go(example, 2.5 * HOUR, [name for name in everybody if name not in canary]) == []
    example.update(canary)
    assert go(example, HOUR, everybody) == []
    assert go(example, 2 * HOUR, [name for name in everybody if name not in canary])[:1] == ["halted"]
