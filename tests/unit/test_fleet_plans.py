"""What plans say to devices: places, cohorts, windows, dwell, and that the stricter of two words holds."""

from __future__ import annotations

import calendar
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewright.core.errors import InputError, PlanError
from edgewright.core.records.fleet import Cohort, Gate, Plan, Release, Stage, Standing, Window
from edgewright.fleet.protocol.plans import options
from edgewright.fleet.protocol.plans.decision import (
    Moment,
    Traits,
    decide,
    first_stage,
    held_out,
    is_open,
    listed,
    open_s,
    opens_in,
    parse,
    position,
    say,
    stage_by_place,
)
from edgewright.fleet.protocol.plans.options import PlanOptions, check, make_plan

START, HOUR = 1_800_000_000.0, 3600.0
NEW = Release(product="main", counter=4, target="packages/main-4.edge", sha256="a" * 64, length=10)
BACK = Release(product="main", counter=5, target="packages/main-5.edge", sha256="b" * 64, length=9)
STAGES = tuple(
    Stage(name=f"s{percent:g}", percent=percent, dwell=HOUR, gated=percent < 100)
    for percent in (1.0, 10.0, 50.0, 100.0)
)
EVER = Moment(now=START + 90 * HOUR, trusted=True, running=0.0, seen=0.0, fresh=True, wall=START + 90 * HOUR)
ids = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    fields: dict[str, Any] = {
        "id": "p", "release": NEW, "revert": BACK, "salt": "7" * 64, "stages": STAGES, "starts": START,
        "expires": START + 30 * 24 * HOUR, "enrolled": START,
    }  # fmt: skip
    return Plan(**{**fields, **changes})


def standing(**changes: Any) -> Standing:  # noqa: ANN401 - fields of Standing
    return Standing(**{"plan": "p", "sha256": "0" * 64, "product": "main", "state": "running", **changes})


def traits(device: str = "0" * 32, **changes: Any) -> Traits:  # noqa: ANN401 - fields of Traits
    return Traits(device=device, **{"product": "main", "counter": 3, **changes})


@given(ids, st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_place_is_from_0_up_to_100_and_never_changes(device: str, salt: str) -> None:
    here = position(salt, "p", device)
    assert 0.0 <= here < 100.0
    assert here == position(salt, "p", device)
    assert len(listed(salt, device)) == 64


def test_the_stage_of_a_place_is_the_stage_of_the_traits_where_the_place_alone_decides() -> None:
    short = plan(stages=STAGES[:3])
    stage_of = stage_by_place(short)
    assert stage_of is not None
    stages = {device: stage_of(device) for device in (f"{number:032x}" for number in range(2000))}
    assert stages == {device: first_stage(short, traits(device)) for device in stages}
    assert set(stages.values()) == {0, 1, 2, None}
    assert stage_by_place(plan(holdout=5.0)) is None
    cohorts = {"north": Cohort(tags=("north",))}
    invited = tuple(msgspec.structs.replace(stage, cohorts=("north",)) for stage in STAGES)
    assert stage_by_place(plan(stages=invited, cohorts=cohorts)) is None


@given(ids, st.binary(max_size=100))
def test_a_digest_is_the_hmac_of_rfc_2104(device: str, salt: bytes) -> None:
    expected = hmac.digest(salt, f"device\0{device}".encode(), "sha256").hex()
    assert listed(salt.hex(), device) == expected


def test_places_are_even_and_do_not_follow_from_one_plan_to_the_next() -> None:
    devices = [f"{number:032x}" for number in range(4000)]
    first = [position("7" * 64, "p", device) for device in devices]
    for percent in (1.0, 10.0, 50.0):
        expected = 40.0 * percent
        assert abs(sum(here < percent for here in first) - expected) < 5.0 * (expected * (1 - percent / 100)) ** 0.5
    early = [device for device, here in zip(devices, first, strict=True) if here < 10.0]
    again = sum(position("8" * 64, "p", device) < 10.0 for device in early)
    assert again < 0.2 * len(early)
    assert 0.05 < sum(held_out("7" * 64, "p", device, 10.0) for device in early) / len(early) < 0.2


def test_the_place_is_the_hmac_that_is_written_down() -> None:
    """Another implementation must find the same place: the digest of fixed words, worked out apart."""
    assert position("00" * 32, "p", "0" * 32) == pytest.approx(_hand("place", "p", "0" * 32), abs=1e-12)


def _hand(*words: str) -> float:
    import hashlib

    key, message = bytes(64), "\0".join(words).encode()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
    return int.from_bytes(outer[:8], "big") / 2**64 * 100.0


@given(ids, st.integers(0, 3), st.integers(0, 3))
def test_who_may_in_a_stage_may_in_all_later_ones(device: str, one: int, other: int) -> None:
    early, late = sorted((one, other))
    planned = plan(holdout=10.0)
    if decide(planned, standing(stage=early), traits(device), EVER).go:
        assert decide(planned, standing(stage=late), traits(device), EVER).go


@given(
    ids, st.integers(0, 5), st.sampled_from(["running", "paused", "aborted", "finished"]), st.booleans(),
    st.floats(-100 * HOUR, 2000 * HOUR), st.booleans(), st.floats(0, 100 * HOUR), st.booleans(),
)  # fmt: skip
def test_no_word_online_goes_beyond_the_plan(
    device: str, stage: int, state: Any, revert: bool, ago: float, trusted: bool, ran: float, fresh: bool  # noqa: ANN401
) -> None:  # fmt: skip
    planned = plan(windows=(Window(start=60, end=1300),))
    now = Moment(now=START + ago, trusted=trusted, running=ran, seen=0.0, fresh=fresh, wall=START + ago)
    verdict = decide(planned, standing(stage=stage, state=state, revert=revert), traits(device), now)
    assert verdict.why
    if not verdict.go:
        return
    ago = now.now - START  # as a clock tells it, whose digits end somewhere
    gone = ago if trusted else ran
    reached = min(int(gone // HOUR), 3)
    assert position(planned.salt, planned.id, device) < STAGES[reached].percent
    assert fresh and state in ("running", "finished") and 0 <= ago < planned.expires - START
    assert verdict.gated == STAGES[verdict.stage].gated
    assert verdict.stage <= min(stage, reached)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"counter": 4}, "is active"),
        ({"counter": 9}, "older than release 9"),
        ({"floor": 5}, "below the floor 5"),
        ({"burned": frozenset({4})}, "failed here before"),
        ({"product": "other"}, "follows 'other'"),
        ({"device": ""}, "not enrolled"),
        ({"profile": "uno"}, "for profile pi"),
        ({"profile": "pi", "version": "0.1.9"}, "needs Edgewright 0.2"),
    ],
)
def test_every_no_says_why(who: dict[str, Any], why: str) -> None:
    release = msgspec.structs.replace(NEW, profiles=("pi",), minimum_version="0.2") if "profile" in who else NEW
    fields = {"device": "0" * 32, **who}
    verdict = decide(plan(release=release), standing(stage=3), traits(**fields), EVER)
    assert not verdict.go
    assert verdict.target is None
    assert why in verdict.why


def test_a_stale_word_lets_nobody_begin_but_an_abort_outlives_everything() -> None:
    stale = msgspec.structs.replace(EVER, fresh=False)
    assert not decide(plan(), standing(stage=3), traits(), stale).go
    late = Moment(now=START + 9e8, trusted=False, running=0.0, seen=0.0, fresh=False, wall=0.0)
    closed = plan(windows=(Window(days=(0,), start=0, end=1),))
    verdict = decide(closed, standing(state="aborted", revert=True), traits(counter=4), late)
    assert (verdict.go, verdict.back, verdict.target) == (True, True, BACK)
    assert decide(closed, standing(state="aborted"), traits(counter=4), late).target is None
    assert decide(closed, standing(state="aborted", revert=True), traits(counter=3), late).target is None


def test_the_dwell_is_counted_by_the_device_where_its_clock_is_behind() -> None:
    for ran, go in ((0.0, 1.0), (2.5 * HOUR, 50.0), (9 * HOUR, 100.0)):
        moment = Moment(now=START + 99 * HOUR, trusted=False, running=50.0 + ran, seen=50.0, fresh=True, wall=0.0)
        going = [decide(plan(), standing(stage=3), traits(f"{n:032x}"), moment).go for n in range(200)]
        assert abs(sum(going) - 2 * go) <= 25
    first = decide(plan(), standing(stage=3), traits("f" * 32), msgspec.structs.replace(EVER, now=START + 1.0))
    assert first.wait > 0 and "regardless of online metadata" in first.why


def test_the_hold_out_waits_for_the_last_stage() -> None:
    planned = plan(holdout=20.0)
    waiting = [f"{n:032x}" for n in range(200) if held_out(planned.salt, planned.id, f"{n:032x}", 20.0)]
    assert 20 <= len(waiting) <= 60
    inside = [device for device in waiting if position(planned.salt, planned.id, device) < 50.0]
    verdicts = [decide(planned, standing(stage=2), traits(device), EVER) for device in inside]
    assert all(not verdict.go and "for comparison" in verdict.why for verdict in verdicts)
    assert all(decide(planned, standing(stage=3), traits(device), EVER).go for device in waiting)


def test_cohorts_ask_for_all_that_they_name() -> None:
    salt = "7" * 64
    cohort = Cohort(tags=("north",), profiles=("pi",), counters=(2, 3))
    planned = plan(cohorts={"c": cohort}, stages=(Stage(name="one", percent=100.0, cohorts=("c",)),))
    ok: dict[str, Any] = {"tags": ("x", "north"), "profile": "pi"}
    assert decide(planned, standing(), traits(**ok), EVER).go
    for wrong in ({"tags": ("south",)}, {"profile": "uno"}, {"counter": 1}):
        assert "no cohort" in decide(planned, standing(), traits(**{**ok, **wrong}), EVER).why
    single = plan(
        cohorts={"c": Cohort(devices=(listed(salt, "a" * 32),))},
        stages=(Stage(name="one", percent=100.0, cohorts=("c",)),),
    )
    assert decide(single, standing(), traits("a" * 32), EVER).go
    assert not decide(single, standing(), traits("b" * 32), EVER).go


def test_windows_go_over_midnight_and_belong_to_the_day_they_begin_on() -> None:
    night = (parse("sat,sun 22:00-02:00"),)
    assert say(night[0]) == "sat,sun 22:00-02:00 UTC"

    def at(day: int, hour: int, minute: int = 0) -> float:
        return float(calendar.timegm((2026, 11, day, hour, minute, 0)))  # 20 November 2026 is a Friday

    for day, hour, is_it in (
        (21, 23, True),
        (22, 1, True),
        (22, 2, False),
        (21, 1, False),
        (23, 1, True),
        (23, 23, False),
    ):
        assert is_open(night, at(day, hour)) is is_it, (day, hour)
    assert opens_in(night, at(20, 22)) == 24 * HOUR
    assert opens_in(night, at(21, 23)) == 0.0
    assert is_open((), 0.0)
    assert not is_open(night, float("nan"))


@given(st.integers(0, 1439), st.integers(0, 1440), st.floats(0.0, 4e9), st.sets(st.integers(0, 6), min_size=1))
def test_a_window_that_is_closed_is_open_when_it_says(begin: int, end: int, wall: float, days: set[int]) -> None:
    windows = (Window(days=tuple(days), start=begin, end=end),)
    wait = opens_in(windows, wall)
    if wait is None:
        assert begin == end
        return
    assert 0.0 <= wait <= 7 * 24 * HOUR
    assert is_open(windows, wall + wait + 1e-3)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stages": (STAGES[2], STAGES[1])}, "at least the 50 %"),
        ({"stages": (STAGES[0], STAGES[0])}, "name of its own"),
        ({"stages": (Stage(name="a", percent=5.0, cohorts=("x",)),)}, "cohort of the plan"),
        ({"expires": START - 1.0}, "after the start"),
        ({"expires": START + 2 * HOUR}, "dwells that end before"),
        ({"expires": START + 100 * 24 * HOUR}, "expiry within"),
        ({"gates": (Gate(measure="alarms", limit=1), Gate(measure="alarms", limit=2))}, "one gate for each"),
        ({"gates": (Gate(measure="alarms", limit=1, quantile=0.95),)}, "robust to false reports"),
        ({"gates": (Gate(measure="failed", ratio=2.0),)}, "a limit"),
        ({"revert": msgspec.structs.replace(BACK, counter=9)}, "with counter 5"),
        ({"windows": (Window(start=5, end=5),)}, "window"),
        ({"holdout": 5.0, "stages": STAGES[3:]}, "two stages"),
        ({"holdout": 80.0}, "at most 50"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        check(plan(**changes))
    check(plan())


def test_wishes_become_parts_of_a_plan() -> None:
    stages = options.stages("canary:1%,10%@2h,100%", HOUR, open_ones=("100",))
    assert [(s.name, s.percent, s.dwell, s.gated) for s in stages] == [
        ("canary", 1.0, HOUR, True), ("10", 10.0, 2 * HOUR, True), ("100", 100.0, HOUR, False),
    ]  # fmt: skip
    assert options.gate("failed<=30%").limit == pytest.approx(0.3)
    assert options.gate("latency<=x2").ratio == 2.0
    assert options.gate("latency<=200ms").limit == pytest.approx(0.2)
    assert options.cohort(("tag=a,b", "counter=3-5"), "7" * 64) == Cohort(tags=("a", "b"), counters=(3, 5))
    assert options.pace("100/h") == 100.0
    for wrong in (
        lambda: options.stages("ten", 0.0), lambda: options.stages("120%", 0.0), lambda: options.gate("speed<=1"),
        lambda: options.gate("latency<=x2s"), lambda: options.cohort(("colour=red",), "7" * 64),
        lambda: options.cohort(("device=7",), "7" * 64), lambda: options.windows(("someday",)),
        lambda: options.stages("10%", 0.0, open_ones=("20",)), lambda: options.seconds("soon", "--dwell"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()


def test_the_default_plan_protects() -> None:
    """Devices that die, fail, or answer otherwise than before are noticed before a stage can end."""
    usual = make_plan(PlanOptions(), NEW, BACK, name="usual", salt="7" * 64, now=START)
    check(usual)
    assert [(stage.percent, stage.gated) for stage in usual.stages] == [(p, True) for p in (1.0, 10.0, 50.0, 100.0)]
    assert all(stage.dwell >= usual.silence for stage in usual.stages)
    assert {"failed", "classes", "unsure", "drift", "alarms", "crashes", "latency", "memory"} <= {
        gate.measure for gate in usual.gates
    }
    one = make_plan(PlanOptions(stages=STAGES[3:], quorum=2), NEW, BACK, name="one", salt="7" * 64, now=START)
    check(one)
    assert {(gate.ratio, gate.quorum) for gate in one.gates} == {(0.0, 2)}
    with pytest.raises(PlanError, match="the options"):
        make_plan(PlanOptions(), NEW, BACK, name="No Name", salt="7" * 64, now=START)


@pytest.mark.parametrize(
    "texts", [["02:00-05:00"], ["sat,sun 22:00-04:00", "mon 03:00-06:30"], ["mon 01:00-03:00", "mon 02:00-04:00"], []]
)
def test_open_time_is_the_minutes_in_which_a_window_is_open(texts: list[str]) -> None:
    windows, start = tuple(map(parse, texts)), 1_800_000_000.0 // 60.0 * 60.0
    for minutes in (0, 90, 1440, 9 * 1440 + 77):
        counted = 60.0 * sum(is_open(windows, start + 60.0 * minute) for minute in range(minutes))
        assert open_s(windows, start, start + 60.0 * minutes) == pytest.approx(counted)
